/*
 * The functions of docs/jobs.md and docs/handover.md, with made-up events and processes: losses, orders and a handover
 * as the kernel makes them only by chance. tests/jobs.py extracts pages.h from the two pages. Prints TAP.
 */
#include "feed.h"
#include "pages.h"

#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum { SUPERVISOR = 50 };
static const char *proc; /* an empty folder */
static int feeder, promises, failures;
static struct pc_table *table;
static struct pc_process saved[64];
static size_t saved_count;
static int is_successor; /* until its first SYNCED */
static int gate; /* the root's end */

static void promise(int kept, const char *sentence)
{
	printf("%s %d - %s\n", kept ? "ok" : "not ok", ++promises, sentence);
	failures += !kept;
}

static void fail(const char *what)
{
	printf("Bail out! %s\n", what);
	exit(1);
}

static void write_file(int pid, const char *name, const char *format, ...)
{
	char path[4200];
	va_list arguments;
	snprintf(path, sizeof(path), "%s/%d/%s", proc, pid, name);
	FILE *file = fopen(path, "w");
	if (!file)
		fail(path);
	va_start(arguments, format);
	vfprintf(file, format, arguments);
	va_end(arguments);
	fclose(file);
}

static void make_up(int pid, int parent, unsigned ticks)
{
	char path[4200];
	snprintf(path, sizeof(path), "%s/%d", proc, pid);
	mkdir(path, 0755);
	write_file(pid, "stat", "%d (made-up) S %d %d %d 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 %u 0 0\n", pid, parent, pid, pid,
		   ticks);
	write_file(pid, "status", "Name:\tmade-up\nTgid:\t%d\nPid:\t%d\nUid:\t7\t7\t7\t7\nGid:\t9\t9\t9\t9\n", pid, pid);
}

static void remove_made_up(int pid)
{
	static const char *const files[] = { "stat", "status", "" };
	char path[4200];
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		snprintf(path, sizeof(path), "%s/%d/%s", proc, pid, files[i]);
		remove(path);
	}
}

static void start(int pid, int parent)
{
	make_up(pid, parent, 0);
	feed_fork(feeder, parent, pid);
}

static void end(int pid)
{
	remove_made_up(pid);
	feed_exit(feeder, pid, 0);
}

static void open_table(int socket)
{
	struct pc_table_options options = PC_TABLE_OPTIONS_INIT;
	options.flags = PC_TABLE_PROC_FD;
	options.proc_fd = open(proc, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (pc_table_open_fd(&table, socket, &options) < 0)
		fail("pc_table_open_fd");
	close(options.proc_fd);
}

static uint64_t number_of(int pid)
{
	struct pc_process process;
	return pc_table_get(table, pid, &process) == 1 ? process.user : 0;
}

/* Takes changes until this one, as the pages describe. Returns what is left of the saved processes. */
static size_t take_until(uint32_t kind, int pid)
{
	struct pc_change change;
	size_t left = 0;
	do {
		if (pc_table_next(table, &change, 10000) != 1)
			fail("no change in ten seconds");
		if (!is_successor || !restore_number(table, saved, saved_count, &change))
			pass_job_on(table, &change);
		if (change.kind == PC_CHANGE_SYNCED)
			is_successor = 0;
	} while (change.kind != kind || (pid && change.process.pid != pid));
	for (size_t i = 0; i < saved_count; i++)
		left += saved[i].pid != -1;
	return left;
}

static void rescan(void)
{
	pc_table_rescan(table);
	take_until(PC_CHANGE_SYNCED, 0);
}

/* Starts job `number`, whose root waits at the gate. */
static void start_job(uint64_t number, int root)
{
	jobs[number].root = root;
	if (pipe2(jobs[number].gate, O_CLOEXEC | O_NONBLOCK) < 0)
		fail("pipe2");
	gate = dup(jobs[number].gate[0]);
	make_up(root, SUPERVISOR, 0);
}

static int is_gate_open(void)
{
	char byte;
	return read(gate, &byte, 1) == 1;
}

static void roots(void)
{
	start_job(1, 100);
	take_until(PC_CHANGE_FOUND, 100);
	promise(is_gate_open() && number_of(100) == 1, "a root that runs before the first SYNCED gets its number");
	take_until(PC_CHANGE_SYNCED, 0);
	take_until(PC_CHANGE_SYNCED, 0); /* A table on a socket that exists already reads /proc twice. */
	promise(number_of(1) == 0 && number_of(SUPERVISOR) == 0, "ancestors of a root get no number");
	start_job(2, 200);
	feed_fork(feeder, SUPERVISOR, 200);
	take_until(PC_CHANGE_STARTED, 200);
	promise(is_gate_open() && number_of(200) == 2, "a root that is forked after the first SYNCED gets its number");
}

static void members(void)
{
	start(101, 100);
	start(102, 101);
	take_until(PC_CHANGE_STARTED, 102);
	end(101);
	make_up(102, 1, 0);
	take_until(PC_CHANGE_EXITED, 101);
	end(100);
	take_until(PC_CHANGE_EXITED, 100);
	promise(number_of(102) == 1 && jobs[1].living == 1 && !is_job_gone(table, 1),
		"a job is not gone as long as its daemon lives");
	end(102);
	take_until(PC_CHANGE_EXITED, 102);
	promise(is_job_gone(table, 1) && !is_job_gone(table, 2), "a job is gone when its last process has exited");
}

static void losses(void)
{
	/* The FORKs are missing, and each child has a lower pid than its parent. */
	make_up(180, 200, 0);
	make_up(170, 180, 0);
	make_up(160, 170, 0);
	make_up(150, 1, 0);
	rescan();
	promise(number_of(160) == 2 && number_of(170) == 2 && number_of(180) == 2 && jobs[2].living == 4,
		"after a loss, each process gets the number of a parent that is reported later");
	promise(number_of(150) == 0, "after a loss, an orphan whose FORK was lost gets no number");
	remove_made_up(160);
	remove_made_up(150);
	rescan();
	promise(jobs[2].living == 3, "after a loss, a process whose EXIT was lost no longer counts");
}

static void handover(void)
{
	/* Member 180 exits with an EXIT that is queued, 170 and 230 with EXITs that are lost. */
	start(210, 200);
	start(220, 210);
	start(230, 200);
	make_up(240, SUPERVISOR, 0);
	feed_fork(feeder, SUPERVISOR, 240);
	take_until(PC_CHANGE_STARTED, 240);
	end(210);
	make_up(220, 1, 0); /* an orphan */
	take_until(PC_CHANGE_EXITED, 210);
	int socket;
	do {
		struct pc_change change;
		while (pc_table_next(table, &change, 0) == 1)
			pass_job_on(table, &change);
		saved_count = save_numbers(table, saved, pc_table_count(table));
	} while ((socket = pc_table_release(table)) == -EBUSY);
	promise(saved_count == 5, "every process that has a number is saved, and no other");
	memset(jobs, 0, sizeof(jobs));

	start(110, 200);
	start(120, 110);
	end(110);
	make_up(120, 1, 0);
	start(130, 180);
	end(180);
	make_up(130, 1, 0);
	remove_made_up(170);
	remove_made_up(230);
	make_up(230, SUPERVISOR, 1); /* another process has this pid, and forks */
	feed_fork(feeder, SUPERVISOR, 230);
	start(235, 230);
	make_up(140, 220, 0); /* its FORK is lost, and its pid is lower than its parent's */
	is_successor = 1;
	open_table(socket);
	promise(!is_job_gone(table, 2), "after a handover, no job is gone before the first SYNCED");
	size_t left = take_until(PC_CHANGE_SYNCED, 0);
	promise(number_of(200) == 2 && number_of(220) == 2,
		"after a handover, each process that was saved has its number, orphans included");
	promise(number_of(120) == 2, "after a handover, a child of a saved process that is found later has its number");
	promise(number_of(140) == 2, "after a handover, a child whose FORK was lost has the number of its parent");
	promise(number_of(1) == 0 && number_of(SUPERVISOR) == 0 && number_of(230) == 0 && number_of(235) == 0 &&
			number_of(240) == 0,
		"after a handover, no process outside the job has a number, even with the pid of a member");
	promise(number_of(130) == 0,
		"after a handover, a process whose parent was saved and exited meanwhile has no number, as the page says");
	promise(left == 2, "after a handover, the saved processes whose EXITs were lost are left");
	promise(jobs[2].living == 4, "after a handover, the job counts the processes that live");
	take_until(PC_CHANGE_SYNCED, 0);
	end(140);
	end(120);
	end(220);
	end(200);
	take_until(PC_CHANGE_EXITED, 200);
	promise(is_job_gone(table, 2), "after a handover, a job is gone when its last process has exited");
}

int main(int argc, char **argv)
{
	int ends[2];
	if (argc != 2 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		fail("usage: made-up FOLDER");
	proc = argv[1];
	feeder = ends[1];
	make_up(1, 0, 0);
	make_up(SUPERVISOR, 1, 0);
	open_table(ends[0]);
	roots();
	members();
	losses();
	handover();
	pc_table_close(table);
	printf("1..%d\n", promises);
	return failures != 0;
}
