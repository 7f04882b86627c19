/*
 * What goes wrong only if threads, or failures, come in one order: each schedule is made. An answer
 * of the kernel that is withheld stands for a kernel that has become deaf.
 */
#include "../c/support.h"
#include "interpose.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/cn_proc.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

static bool is_readable(const struct pc_table *table)
{
	struct pollfd poll_set = { .fd = pc_table_fd(table), .events = POLLIN };
	return poll(&poll_set, 1, 0) == 1;
}

static void hear_all(struct pc_table *table)
{
	struct pc_change change;
	while (pc_table_next(table, &change, 0) == 1 || is_readable(table))
		;
}

static struct pc_table *open_table(struct pc_table_options options)
{
	struct pc_table *table;
	struct pc_change change;
	options.size = sizeof(options);
	CHECK_EQ(pc_table_open(&table, &options), 0);
	do
		CHECK_EQ(pc_table_next(table, &change, PATIENCE_MS), 1);
	while (change.kind != PC_CHANGE_SYNCED);
	hear_all(table);
	return table;
}

static atomic_int stage;

static void reach(int number)
{
	stage = number;
}

static void await_stage(int number)
{
	while (stage < number)
		sched_yield();
}

/* ---- A thread that repairs, while another one follows ---- */

static _Thread_local bool is_repairer, has_asked, has_been_deaf;
static _Thread_local int rung;

static long withhold_answer(long number, const long arguments[6])
{
	has_asked |= is_repairer && number == SYS_sendto;
	if (!has_asked || has_been_deaf || number != SYS_recvfrom)
		return really(number, arguments);
	has_been_deaf = true;
	errno = EAGAIN;
	return -1;
}

static long stop_behind_bell(long number, const long arguments[6])
{
	long result = withhold_answer(number, arguments);
	if (is_repairer && number == SYS_write && ++rung == 2) { /* the connector's, then the table's */
		reach(1);
		await_stage(2);
	}
	return result;
}

static void *repair(void *table)
{
	is_repairer = true;
	CHECK_EQ(pc_table_check(table), 1);
	return NULL;
}

PROMISE(two_bells, "a table's descriptor is readable while there are changes, although a repair by another thread rings in between")
{
	struct pc_table *table = open_table((struct pc_table_options){ 0 });
	struct pc_change change = { 0 };
	pthread_t repairer;
	instead = stop_behind_bell;
	CHECK_EQ(pc_table_rescan(table), 0);
	CHECK_EQ(pthread_create(&repairer, NULL, repair, table), 0);
	await_stage(1);
	while (change.kind != PC_CHANGE_SYNCED)
		if (is_readable(table))
			CHECK(pc_table_next(table, &change, 0) >= 0);
	while (is_readable(table) && pc_table_next(table, &change, 0) == 1)
		;
	reach(2);
	pthread_join(repairer, NULL);

	pid_t children[5];
	for (int i = 0; i < 5; i++) {
		children[i] = fork();
		if (children[i] == 0)
			_exit(0);
	}
	for (int i = 0; i < 5; i++)
		end_child(children[i]);
	int told = 0;
	for (uint64_t deadline = now_ns() + PATIENCE_MS * 1000000ull; told < 10;) {
		CHECK(now_ns() < deadline);
		if (!is_readable(table) || pc_table_next(table, &change, 0) != 1)
			continue;
		for (int i = 0; i < 5; i++)
			told += change.process.pid == children[i];
	}
	pc_table_close(table);
}

static _Thread_local bool is_follower;

static long stop_before_idle(long number, const long arguments[6])
{
	long result = withhold_answer(number, arguments);
	if (is_follower && number == SYS_getsockopt && stage == 0) { /* the queue is empty */
		reach(1);
		await_stage(2);
	}
	return result;
}

static void *repair_and_interrupt(void *table)
{
	await_stage(1);
	repair(table);
	CHECK_EQ(pc_table_interrupt(table), 0);
	reach(2);
	return NULL;
}

PROMISE(interrupted_repair, "pc_table_next reports a repair although an interrupt came right after it")
{
	struct pc_table *table = open_table((struct pc_table_options){ 0 });
	struct pc_change change;
	pthread_t repairer;
	CHECK_EQ(pthread_create(&repairer, NULL, repair_and_interrupt, table), 0);
	is_follower = true;
	instead = stop_before_idle;
	int result;
	do
		result = pc_table_next(table, &change, PATIENCE_MS);
	while (result == 1);
	CHECK_EQ(result, -ECANCELED);
	pthread_join(repairer, NULL);
	CHECK(is_readable(table));
	do
		CHECK_EQ(pc_table_next(table, &change, PATIENCE_MS), 1);
	while (change.kind != PC_CHANGE_SYNCED);
	CHECK(change.flags & PC_CHANGE_DEAF);
	pc_table_close(table);
}

/* ---- Failures, one behind the other ---- */

static int failures_left, filters_set;

static long fail_with(int error)
{
	failures_left--;
	errno = error;
	return -1;
}

static long run_out_of_memory(long number, const long arguments[6])
{
	filters_set += number == SYS_setsockopt;
	bool is_ignore = number == SYS_sendto, is_undoing = number == SYS_setsockopt && filters_set == 2;
	if (failures_left > 0 && (is_ignore || is_undoing))
		return fail_with(ENOBUFS);
	return really(number, arguments);
}

static void check_hears(struct pc_connector *pc)
{
	struct pc_event event;
	rename_self("heard");
	do
		CHECK_EQ(pc_recv(pc, &event, PATIENCE_MS), 1);
	while (pc_event_tgid(&event) != getpid());
}

static bool counts_evenly(bool resumes)
{
	int listeners = count_listeners();
	struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, 0);
	failures_left = 2;
	filters_set = 0;
	instead = run_out_of_memory;
	CHECK_EQ(pc_unsubscribe(pc), 0);
	CHECK_EQ(failures_left, 0);
	instead = NULL;
	bool even = count_listeners() == listeners + 1;
	if (resumes)
		CHECK_EQ(pc_unsubscribe(pc), 0);
	even &= count_listeners() == listeners + !resumes;
	CHECK_EQ(resumes ? pc_subscribe(pc) : 0, 0);
	if (resumes)
		check_hears(pc);
	pc_close(pc);
	return even & (count_listeners() == listeners);
}

PROMISE(pause_without_memory, "a pause that fails half-way and cannot be undone still pauses, and the kernel's listener count is corrected later")
{
	for (int resumes = 0, trial = 1; resumes < 2; resumes++)
		while (!counts_evenly(resumes)) /* while another listener repaired the kernel, which adds one */
			CHECK(trial++ < TRIALS);
}

static int listens, ignores;

static long count_requests(long number, const long arguments[6])
{
	if (number == SYS_sendto) {
		uint32_t operation;
		memcpy(&operation, (const char *)arguments[1] + 36, sizeof(operation));
		listens += operation == PROC_CN_MCAST_LISTEN;
		ignores += operation == PROC_CN_MCAST_IGNORE;
	}
	return really(number, arguments);
}

PROMISE(resume_still_counted, "a resume of a connector that the kernel still counts sends the IGNORE that the pause could not send")
{
	struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, 0);
	failures_left = 2;
	filters_set = 0;
	instead = run_out_of_memory;
	CHECK_EQ(pc_unsubscribe(pc), 0);
	CHECK_EQ(failures_left, 0);
	listens = ignores = 0;
	instead = count_requests;
	CHECK_EQ(pc_subscribe(pc), 0);
	CHECK_EQ(ignores, 1);
	CHECK_EQ(listens, 1);
	check_hears(pc);
	pc_close(pc);
	CHECK_EQ(ignores, 2);
	CHECK_EQ(listens, 1);
}

static long be_deaf_and_fail(long number, const long arguments[6])
{
	has_asked |= number == SYS_sendto;
	if (number == SYS_recvfrom && has_asked && failures_left == 2)
		return fail_with(EAGAIN);
	if (number == SYS_sendto && failures_left == 1)
		return fail_with(ENOBUFS);
	return really(number, arguments);
}

PROMISE(deaf_before_pause, "a deafness that could not be repaired is reported, even if a pause comes in between")
{
	struct pc_connector *pc = open_connector(PC_MASK_PTRACE, 0, 0);
	struct pc_event event;
	failures_left = 2;
	instead = be_deaf_and_fail;
	CHECK_EQ(pc_check(pc), -ENOMEM);
	CHECK_EQ(failures_left, 0);
	CHECK_EQ(pc_unsubscribe(pc), 0);
	CHECK_EQ(pc_subscribe(pc), 0);
	CHECK_EQ(pc_recv(pc, &event, 0), 1);
	CHECK_EQ(event.kind, PC_EVENT_OVERRUN);
	CHECK_EQ(event.data.overrun.reason, PC_LOST_DEAF);
	pc_close(pc);
}

/* ---- Answers that other processes cause ---- */

static int helper = -1;
static uint32_t token;

static long note_request(long number, const long arguments[6])
{
	if (number == SYS_recvfrom)
		helper = (int)arguments[0];
	if (number == SYS_sendto && (int)arguments[0] == helper)
		memcpy(&token, (const char *)arguments[1] + 28, sizeof(token));
	return really(number, arguments);
}

static void replay(uint32_t request, int count)
{
	int fd = raw_socket(false);
	while (count-- > 0)
		raw_request(fd, 9, request);
	close(fd);
}

static unsigned queued(int fd)
{
	unsigned info[9] = { 0 };
	socklen_t size = sizeof(info);
	CHECK_EQ(getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &size), 0);
	return info[0];
}

PROMISE(replayed_answers, "answers to an earlier request, which any process can cause, do not pass for the next answer, and no more than four collect")
{
	struct pc_connector *pc = open_connector(PC_MASK_PTRACE, 0, 0);
	instead = note_request;
	for (int is_deaf = 0; is_deaf < 2; is_deaf++) {
		CHECK_EQ(pc_check(pc), 0);
		replay(token, 1000);
		CHECK(queued(helper) > 0 && queued(helper) < 4096);
		if (is_deaf)
			deafen();
		CHECK_EQ(pc_check(pc), is_deaf);
		CHECK_EQ(queued(helper), 0);
		replay(token, 1000);
		CHECK_EQ(pc_unsubscribe(pc), 0);
		CHECK_EQ(pc_subscribe(pc), 0);
		replay(token, 1000);
		CHECK_EQ(pc_check(pc), 0);
		CHECK_EQ(stats_of(pc).repaired, is_deaf);
	}
	pc_close(pc);
}

PROMISE(private_token, "the answer to a subscription cannot be made by another process: its token has not been used before")
{
	struct pc_connector *pc = open_connector(PC_MASK_PTRACE, 0, 0);
	instead = note_request;
	CHECK_EQ(pc_check(pc), 0);
	uint32_t before = token;
	CHECK_EQ(pc_check(pc), 0);
	CHECK_EQ(token, before);
	CHECK_EQ(pc_unsubscribe(pc), 0);
	CHECK_EQ(pc_subscribe(pc), 0);
	CHECK_EQ(pc_check(pc), 0);
	CHECK(token != before);
	pc_close(pc);
}

/* ---- Calls that security modules would log ---- */

static int forced, plain;

static long count_budgets(long number, const long arguments[6])
{
	if (number == SYS_setsockopt && arguments[1] == SOL_SOCKET) {
		forced += arguments[2] == SO_RCVBUFFORCE;
		plain += arguments[2] == SO_RCVBUF && forced == 0;
	}
	return really(number, arguments);
}

PROMISE(unforced_budget, "pc_open asks for CAP_NET_ADMIN only for a queue that the kernel does not grant without it")
{
	instead = count_budgets;
	pc_close(open_connector(0, 0, 65536));
	CHECK(plain > 0);
	CHECK_EQ(forced, 0);
	struct pc_connector *pc = open_connector(0, 0, 1u << 30);
	CHECK_EQ(forced, 1);
	CHECK_EQ(stats_of(pc).rcvbuf_bytes, 1u << 30);
	plain = forced = 0;
	int fd = pc_release(pc);
	struct pc_options options = PC_OPTIONS_INIT;
	options.flags = PC_OPEN_SUBSCRIBED;
	options.rcvbuf_bytes = 65536;
	CHECK_EQ(pc_open_fd(&pc, fd, &options), 0);
	CHECK_EQ(plain, 0); /* before the other: a moment with a small queue could lose events */
	CHECK_EQ(stats_of(pc).rcvbuf_bytes, 65536);
	pc_close(pc);
}

/* ---- A kernel without namespaces ---- */

static const char *hidden;

/* The library's stat() on machines where it is no system call of the library's own. */
int stat(const char *path, struct stat *status)
{
	if (hidden && strstr(path, hidden)) {
		errno = ENOENT;
		return -1;
	}
	return fstatat(AT_FDCWD, path, status, 0);
}

static long hide(long number, const long a[6])
{
#ifdef SYS_newfstatat
	if (number == SYS_newfstatat)
		return stat((const char *)a[1], (struct stat *)a[2]);
#endif
	return really(number, a);
}

PROMISE(no_namespaces, "on a kernel without user, PID or time namespaces a deaf kernel is repaired")
{
	static const char *const files[] = { "/ns/user", "/ns/pid", "/ns/time", "/ns/" };
	instead = hide;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		hidden = files[i];
		struct pc_connector *pc = open_connector(PC_MASK_PTRACE, 0, 0);
		deafen();
		CHECK_EQ(pc_check(pc), 1);
		hidden = "/proc/self"; /* not mounted */
		deafen();
		CHECK_EQ(pc_check(pc), -ETIMEDOUT);
		hidden = NULL;
		CHECK_EQ(pc_check(pc), 1);
		pc_close(pc);
	}
	instead = NULL;
}

/* ---- What a table reads ---- */

/* The process whose file this path names: below /proc, or relative to it; 0 if none. */
static int pid_in(const char *path)
{
	int pid = 0;
	sscanf(path + strspn(path, "/proc"), "%d/", &pid);
	return pid;
}

static pid_t last_read;
static int processes_read;

static long count_processes(long number, const long arguments[6])
{
	pid_t pid = 0;
	if (number == SYS_openat)
		pid = pid_in((const char *)arguments[1]);
	processes_read += pid > 0 && pid != last_read;
	last_read = pid > 0 ? pid : last_read;
	return really(number, arguments);
}

static int gate[2];

static void *await_gate(void *unused)
{
	char byte;
	CHECK_EQ(read(gate[0], &byte, 1), 1);
	syscall(SYS_exit_group, 7);
	return unused;
}

static void outlive_leader(void *unused)
{
	pthread_t thread;
	CHECK_EQ(pthread_create(&thread, NULL, await_gate, NULL), 0);
	syscall(SYS_exit, 0);
	(void)unused;
}

PROMISE(small_work, "with max_work 1 a call of pc_table_next reads one process, although several without a leader have exited")
{
	enum { CHILDREN = 8 };
	pid_t children[CHILDREN];
	struct pc_change change;
	CHECK_EQ(pipe(gate), 0);
	for (int i = 0; i < CHILDREN; i++) {
		children[i] = start_child(outlive_leader, NULL);
		while (pc_process_alive(children[i]) != 2)
			usleep(1000);
	}
	struct pc_table *table = open_table((struct pc_table_options){ .max_work = 1 });
	CHECK_EQ(write(gate[1], "........", CHILDREN), CHILDREN);
	usleep(50000); /* so that they have */
	instead = count_processes;
	for (int ended = 0, total = 0; ended < CHILDREN; total += processes_read) {
		last_read = processes_read = 0;
		int result = pc_table_next(table, &change, 0);
		CHECK(processes_read <= 1);
		CHECK(total > 0 || ended == 0); /* or else this counts nothing */
		if (result == 0)
			usleep(1000);
		for (int i = 0; i < CHILDREN; i++)
			ended += result == 1 && change.kind == PC_CHANGE_EXITED &&
				 change.process.pid == children[i];
	}
	for (int i = 0; i < CHILDREN; i++)
		end_child(children[i]);
	pc_table_close(table);
}

static pid_t helper;
static long helper_stat;

/* As Linux 5.10 shows one of its helpers before its exec: PF_KTHREAD, and no memory. */
static void rewrite_as_kernel_thread(char *text, long size)
{
	char copy[1024];
	CHECK(size > 0 && (size_t)size < sizeof(copy));
	memcpy(copy, text, (size_t)size);
	copy[size] = '\0';
	char *rest = strrchr(copy, ')') + 1, *end = text + (rest - copy);
	int field = 2;
	for (char *word = strtok(rest, " \n"); word && ++field; word = strtok(NULL, " \n")) {
		unsigned long value = strtoul(word, NULL, 10);
		if (field == 9)
			end += sprintf(end, " %lu", value | 0x00200000);
		else
			end += sprintf(end, " %s", field >= 26 && field <= 28 ? "0" : word);
	}
	/* No longer than it was, but for the flags. */
	memset(end, ' ', 8);
}

static long show_helper(long number, const long arguments[6])
{
	long result = really(number, arguments);
	if (number == SYS_openat && result >= 0) {
		char path[64];
		int pid = 0;
		snprintf(path, sizeof(path), "%s", (const char *)arguments[1]);
		pid = pid_in(path);
		bool is_stat = strstr(path, "/stat") && !strstr(path, "status");
		helper_stat = is_stat && pid == helper ? result : -1;
	} else if (number == SYS_read && arguments[0] == helper_stat && result > 0) {
		rewrite_as_kernel_thread((char *)arguments[1], result);
	}
	return result;
}

static void exec_sleep(void *unused)
{
	char byte;
	rename_self("kworker/u8:1");
	CHECK_EQ(read(gate[0], &byte, 1), 1);
	execlp("sleep", "sleep", "100", (char *)NULL);
	(void)unused;
}

PROMISE(kernel_helper, "a helper process of the kernel whose EXEC was lost is found to run a program, and is no longer marked as a kernel thread")
{
	struct pc_table *table = open_table((struct pc_table_options){ .rcvbuf_bytes = 65536 });
	struct pc_change change;
	struct pc_process process;
	CHECK_EQ(pipe(gate), 0);
	helper = start_child(exec_sleep, NULL);
	helper_stat = -1;
	instead = show_helper;
	do
		CHECK_EQ(pc_table_next(table, &change, PATIENCE_MS), 1);
	while (change.kind != PC_CHANGE_STARTED || change.process.pid != helper);
	CHECK_EQ(change.process.state, PC_PROCESS_KERNEL_THREAD);
	hear_all(table);
	for (int i = 0; i < 500; i++)
		rename_self(i % 2 ? "full" : "up");
	CHECK_EQ(write(gate[1], "", 1), 1);
	do {
		usleep(1000);
		instead = NULL;
		CHECK_EQ(pc_process_read(helper, &process), 1);
	} while (strcmp(process.comm, "sleep") != 0);
	bool has_execed = false;
	do {
		CHECK_EQ(pc_table_next(table, &change, PATIENCE_MS), 1);
		has_execed |= change.kind == PC_CHANGE_EXECED && change.process.pid == helper;
	} while (change.kind != PC_CHANGE_SYNCED);
	CHECK(change.lost > 0);
	CHECK(has_execed);
	CHECK_EQ(pc_table_get(table, helper, &process), 1);
	CHECK_EQ(process.state, 0);
	CHECK(process.valid & PC_FIELD_COMM);
	CHECK_EQ(strcmp(process.comm, "sleep"), 0);
	kill(helper, SIGKILL);
	end_child(helper);
	pc_table_close(table);
}

static pid_t changing;
/* What the ids are read from: -1 before it is opened, -2 after it was read. */
static long ids_fd;
static bool has_pidfd_info;
static int done[2];

static void change_ids(void *unused)
{
	char byte;
	CHECK_EQ(read(gate[0], &byte, 1), 1);
	CHECK_EQ(syscall(SYS_setresuid, 97, 97, 97), 0);
	CHECK_EQ(write(done[1], "", 1), 1);
	pause();
	(void)unused;
}

/* The ids change right after the table has read them, once. */
static long change_after_reading(long number, const long arguments[6])
{
	bool is_pidfd = number == SYS_pidfd_open && arguments[0] == changing;
	if (is_pidfd && !has_pidfd_info) {
		errno = ENOSYS;
		return -1;
	}
	long result = really(number, arguments);
	char byte;
	if (ids_fd == -1 && result >= 0) {
		const char *path = (const char *)arguments[1];
		if (is_pidfd ||
		    (number == SYS_openat && pid_in(path) == changing && strstr(path, "/status")))
			ids_fd = result;
	} else if ((number == SYS_read || number == SYS_ioctl) && arguments[0] == ids_fd) {
		ids_fd = -2;
		CHECK_EQ(write(gate[1], "", 1), 1);
		CHECK_EQ(read(done[0], &byte, 1), 1);
	}
	return result;
}

static void check_change_while_read(void)
{
	struct pc_table *table = open_table((struct pc_table_options){ 0 });
	struct pc_change change;
	ids_fd = -1;
	changing = start_child(change_ids, NULL);
	instead = change_after_reading;
	do
		CHECK_EQ(pc_table_next(table, &change, PATIENCE_MS), 1);
	while (change.process.pid != changing || change.kind != PC_CHANGE_CREDENTIALS);
	CHECK_EQ(ids_fd, -2);
	CHECK_EQ(change.process.euid, 97);
	instead = NULL;
	kill(changing, SIGKILL);
	end_child(changing);
	pc_table_close(table);
}

PROMISE(ids_while_read, "a user id that changes while the table reads the process is reported, although the ids were read before the change, from a pidfd or from /proc")
{
	CHECK_EQ(pipe(gate), 0);
	CHECK_EQ(pipe(done), 0);
	check_change_while_read();
	has_pidfd_info = true;
	check_change_while_read();
}

/* ---- A process that vanishes while its texts are read ---- */

static pid_t victim;
static int countdown, gone_ready[2];
static enum { STAYS_ZOMBIE, IS_REAPED, IS_REPLACED } fate;
/* Whether the next owner must have another start. */
static bool is_told_by_start;
/* What the caller knows of the victim besides the pid. */
enum knowledge { NOTHING, ITS_START, ITS_INODE };

/* The inode of a process's pidfds; 0 before Linux 6.9, where all share one. */
static uint64_t inode_of(pid_t pid)
{
	struct stat status;
	struct statfs fs;
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	CHECK(pidfd >= 0);
	CHECK_EQ(fstat(pidfd, &status), 0);
	CHECK_EQ(fstatfs(pidfd, &fs), 0);
	close(pidfd);
	return fs.f_type == 0x50494446 ? status.st_ino : 0;
}

/* Works in a directory by which it is known. */
static void wait_in(const char *directory)
{
	CHECK_EQ(chdir(directory), 0);
	CHECK_EQ(prctl(PR_SET_NAME, directory), 0);
	CHECK_EQ(write(gone_ready[1], "x", 1), 1);
	for (;;)
		pause();
}

static long vanish(long number, const long arguments[6])
{
	if (countdown-- != 0)
		return really(number, arguments);
	instead = NULL;
	siginfo_t info;
	kill(victim, SIGKILL);
	CHECK_EQ(waitid(P_PID, (id_t)victim, &info, WEXITED | WNOWAIT), 0);
	if (fate != STAYS_ZOMBIE)
		end_child(victim);
	if (fate == IS_REPLACED) {
		if (is_told_by_start)
			usleep(20000); /* so that it starts in another tick */
		pid_t other = clone_with_id(victim);
		if (other < 0)
			skip("clone3 with set_tid needs CAP_SYS_ADMIN and Linux 5.5");
		if (other == 0)
			wait_in("/dev");
		char byte;
		CHECK_EQ(read(gone_ready[0], &byte, 1), 1);
	}
	return really(number, arguments);
}

/*
 * Reads the texts of a process that vanishes just before a system call. Returns whether there were so
 * many system calls.
 */
static bool read_while_it_vanishes(int call, enum knowledge known)
{
	char directory[16], nspid[16], again[16];
	struct pc_text texts[] = { { PC_TEXT_DIRECTORY, 77, directory, sizeof(directory), 77 },
				   { PC_TEXT_NSPID, 77, nspid, sizeof(nspid), 77 },
				   { PC_TEXT_DIRECTORY, 77, again, sizeof(again), 77 } };
	struct pc_process process;
	char byte;
	CHECK_EQ(pipe(gone_ready), 0);
	victim = fork();
	if (victim == 0)
		wait_in("/proc");
	CHECK_EQ(read(gone_ready[0], &byte, 1), 1);
	CHECK_EQ(pc_process_read(victim, &process), 1);
	is_told_by_start = known != ITS_INODE;
	if (known == ITS_INODE) {
		process.pidfd_inode = inode_of(victim);
		process.start_boottime_ns = 1; /* which does not matter */
	}
	countdown = call;
	instead = vanish;
	int result = known == ITS_INODE ? pc_process_texts_of(&process, texts, 3) :
		pc_process_texts(victim, known == ITS_START ? process.start_boottime_ns : 0, texts, 3);
	bool was_hit = instead == NULL;
	instead = NULL;
	if (result != 0)
		CHECK_EQ(result, -ESRCH);
	CHECK(was_hit || result == 0);
	bool is_old = false, is_new = false;
	for (int i = 0; i < 3; i++) {
		if (texts[i].error != 0) {
			CHECK_EQ(texts[i].error, -ESRCH);
			CHECK(texts[i].length == 0 && texts[i].buffer[0] == '\0');
		} else if (texts[i].what == PC_TEXT_NSPID) {
			CHECK_EQ(atoi(texts[i].buffer), victim);
		} else {
			is_old |= strcmp(texts[i].buffer, "/proc") == 0;
			is_new |= strcmp(texts[i].buffer, "/dev") == 0;
			CHECK(is_old || is_new);
		}
		CHECK(result == 0 || texts[i].error != 0);
	}
	CHECK(!is_old || !is_new);
	CHECK(!is_new || known == NOTHING);
	/* A process that is gone without a successor is not read, but for what was read before. */
	CHECK(result == -ESRCH || is_old || is_new || fate == STAYS_ZOMBIE);
	if (!was_hit || fate != IS_REAPED) {
		kill(victim, SIGKILL);
		end_child(victim);
	}
	close(gone_ready[0]);
	close(gone_ready[1]);
	return was_hit;
}

static void read_until_it_stays(void)
{
	const enum knowledge most = inode_of(getpid()) ? ITS_INODE : ITS_START;
	for (enum knowledge known = NOTHING; known <= most; known++) {
		int calls = 0;
		while (read_while_it_vanishes(calls, known))
			calls++;
		CHECK(calls > 8);
	}
}

PROMISE(zombie_texts, "pc_process_texts and pc_process_texts_of give whole texts or none of a process that becomes a zombie, whenever that happens")
{
	fate = STAYS_ZOMBIE;
	read_until_it_stays();
}

PROMISE(reaped_texts, "pc_process_texts and pc_process_texts_of give whole texts or none of a process that is reaped, whenever that happens")
{
	fate = IS_REAPED;
	read_until_it_stays();
}

PROMISE(replaced_texts, "pc_process_texts and pc_process_texts_of give no text of a later owner of the pid, and never texts of both, whenever the owner changes")
{
	fate = IS_REPLACED;
	read_until_it_stays();
}

/* ---- A process that runs another program whenever its command line is read ---- */

static int line_file = -1, programs, ask[2], answer[2];

/* As if the kernel were setting the next program up at each reading, and had done so by the time of the look. */
static long exec_while_read(long number, const long arguments[6])
{
	char byte;
	if (number == SYS_read && arguments[0] == line_file && programs > 0) {
		programs--;
		CHECK_EQ(write(ask[1], "\n", 1), 1);
		CHECK_EQ(read(answer[0], &byte, 1), 1);
		return 0;
	}
	long result = really(number, arguments);
	if (number == SYS_openat && strcmp((const char *)arguments[1], "cmdline") == 0)
		line_file = (int)result;
	return result;
}

PROMISE(empty_lines, "a process that execs at each reading is not taken for one without a command line")
{
	/* This program says that it runs, waits, and executes itself. */
	static const char script[] = "echo; read line; exec sh -c \"$0\" \"$0\"";
	char command[200], byte;
	struct pc_text text = { PC_TEXT_COMMAND_LINE, 77, command, sizeof(command), 77 };
	CHECK_EQ(pipe(ask), 0);
	CHECK_EQ(pipe(answer), 0);
	pid_t child = fork();
	if (child == 0) {
		dup2(ask[0], 0);
		dup2(answer[1], 1);
		execl("/bin/sh", "sh", "-c", script, script, (char *)NULL);
		_exit(1);
	}
	CHECK_EQ(read(answer[0], &byte, 1), 1);
	programs = 10;
	instead = exec_while_read;
	CHECK_EQ(pc_process_texts(child, 0, &text, 1), 0);
	instead = NULL;
	CHECK_EQ(programs, 0);
	CHECK_EQ(text.error, 0);
	CHECK_EQ(text.length, sizeof("sh\0-c") + 2 * sizeof(script));
	CHECK_EQ(memcmp(command, "sh\0-c\0echo;", 11), 0);
	kill(child, SIGKILL);
	end_child(child);
}

/* ---- A pid that changes its owner while the table reads the process ---- */

/* Counts from the moment when the table opens a pidfd of the process. */
static long replace_while_read(long number, const long arguments[6])
{
	if (countdown >= 0 && number == SYS_pidfd_open && arguments[0] == victim)
		instead = vanish;
	return instead == vanish ? vanish(number, arguments) : really(number, arguments);
}

/* Returns whether the table made so many system calls. */
static bool look_while_it_is_replaced(struct pc_table *table, int call)
{
	struct pc_change change;
	char byte;
	CHECK_EQ(pipe(gone_ready), 0);
	countdown = call;
	victim = fork();
	if (victim == 0)
		wait_in("/proc");
	CHECK_EQ(read(gone_ready[0], &byte, 1), 1);
	const uint64_t first = inode_of(victim);
	instead = replace_while_read;
	do
		CHECK_EQ(pc_table_next(table, &change, PATIENCE_MS), 1);
	while (change.process.pid != victim || change.kind != PC_CHANGE_STARTED);
	bool was_hit = instead == NULL;
	instead = NULL;
	/* A look that shows one owner has no inode, or that owner's. */
	if (change.process.pidfd_inode != 0)
		CHECK_EQ(change.process.pidfd_inode,
			 strcmp(change.process.comm, "/dev") == 0 ? inode_of(victim) : first);
	CHECK(was_hit || change.process.pidfd_inode == first);
	kill(victim, SIGKILL);
	end_child(victim);
	hear_all(table);
	close(gone_ready[0]);
	close(gone_ready[1]);
	return was_hit;
}

PROMISE(replaced_looks, "a process that the table reports never has the inode of another owner of its pid, whenever the owner changes")
{
	if (inode_of(getpid()) == 0)
		skip("this kernel gives pidfds no inodes of their own: that takes Linux 6.9");
	struct pc_table *table = open_table((struct pc_table_options){ .flags = PC_TABLE_PIDFD_INODES });
	fate = IS_REPLACED;
	is_told_by_start = false;
	int calls = 0;
	/* Several times, because not every two owners start in one tick. */
	while (look_while_it_is_replaced(table, calls / 4))
		calls++;
	CHECK(calls > 4 * 5);
	pc_table_close(table);
}
