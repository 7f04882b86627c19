/*
 * Supervises jobs with the functions of docs/jobs.md and docs/handover.md. tests/jobs.py extracts pages.h from the two
 * pages, and drives this program:
 *
 *     supervisor COMMAND      COMMAND is job 1, whose root is forked before the table has read anything
 *
 * Each line on stdin is the shell command of the next job, or "restart". A successor first waits for a line "go".
 * On stdout: "living NUMBER COUNT" when a count changes, "gone NUMBER", "vanished PID" for a saved process whose EXIT
 * was lost, and each SYNCED and UNSYNCED.
 */
#include "pages.h"

#include <err.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { SAVED = 1000 };
static struct pc_process saved[SAVED];
static size_t saved_count, shown[JOBS];
static int is_active[JOBS], is_successor;
static uint64_t last;

static void start_job(const char *command)
{
	struct job *job = &jobs[++last];
	if (pipe2(job->gate, O_CLOEXEC) < 0 || (job->root = fork()) < 0)
		err(1, "pipe2, fork");
	if (job->root == 0) {
		char byte;
		close(job->gate[1]);
		if (read(job->gate[0], &byte, 1) == 1)
			execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	is_active[last] = 1;
}

/* Reads byte by byte, so that a successor gets the lines that follow. Returns whether there was a line. */
static int read_line(char *line, size_t size)
{
	size_t length = 0;
	while (length + 1 < size && read(0, &line[length], 1) == 1 && line[length] != '\n')
		length++;
	line[length] = '\0';
	return length > 0;
}

static void show(const struct pc_table *table)
{
	for (uint64_t number = 1; number <= last; number++) {
		if (!is_active[number] || pc_table_is_synced(table) != 1)
			continue;
		if (shown[number] != jobs[number].living)
			printf("living %d %zu\n", (int)number, jobs[number].living);
		shown[number] = jobs[number].living;
		if (is_job_gone(table, number)) {
			printf("gone %d\n", (int)number);
			is_active[number] = 0;
		}
	}
	fflush(stdout);
}

static void take(struct pc_table *table, const struct pc_change *change)
{
	char line[256];
	pc_change_format(change, line, sizeof(line));
	if (change->kind == PC_CHANGE_SYNCED || change->kind == PC_CHANGE_UNSYNCED)
		puts(line); /* A log of a failure shows whether events were lost. */
	if (!is_successor || !restore_number(table, saved, saved_count, change))
		pass_job_on(table, change);
	if (change->kind != PC_CHANGE_SYNCED || !is_successor)
		return;
	is_successor = 0;
	for (size_t i = 0; i < saved_count; i++)
		if (saved[i].pid != -1)
			printf("vanished %d\n", (int)saved[i].pid);
}

/* Replaces this process, unless the table has something to report. */
static void try_restart(struct pc_table **table, char **argv)
{
	char number[16];
	int list = memfd_create("jobs", 0);
	saved_count = save_numbers(*table, saved, SAVED);
	if (list < 0 || write(list, saved, saved_count * sizeof(*saved)) < 0 || lseek(list, 0, SEEK_SET) < 0)
		err(1, "memfd");
	snprintf(number, sizeof(number), "%d", list);
	setenv("MY_JOBS", number, 1);
	int result = restart(table, argv);
	close(list);
	if (result != -EBUSY)
		errx(1, "restart: %s", pc_strerror(result));
}

int main(int argc, char **argv)
{
	struct pc_table *table;
	struct pc_change change;
	char line[512];
	int is_restarting = 0;
	const char *list = getenv("MY_JOBS");
	if (argc != 2)
		errx(2, "usage: supervisor COMMAND");
	if (list) {
		ssize_t size = read(atoi(list), saved, sizeof(saved));
		saved_count = size < 0 ? 0 : (size_t)size / sizeof(*saved);
		close(atoi(list));
		for (size_t i = 0; i < saved_count; i++) {
			is_active[saved[i].user] = 1;
			last = saved[i].user > last ? saved[i].user : last;
		}
		is_successor = 1;
		read_line(line, sizeof(line));
	}
	int result = begin(&table);
	if (result < 0)
		errx(1, "%s", pc_strerror(result));
	if (!list)
		start_job(argv[1]);
	for (;;) {
		struct pollfd sources[] = { { pc_table_fd(table), POLLIN, 0 }, { is_restarting ? -1 : 0, POLLIN, 0 } };
		poll(sources, 2, is_restarting ? 10 : -1);
		while ((result = pc_table_next(table, &change, 0)) == 1) {
			take(table, &change);
			show(table);
		}
		if (result < 0)
			errx(1, "%s", pc_strerror(result));
		if (is_restarting && pc_table_is_synced(table) == 1)
			try_restart(&table, argv);
		if (!sources[1].revents)
			continue;
		if (!read_line(line, sizeof(line)))
			break;
		if (strcmp(line, "restart") == 0)
			is_restarting = 1;
		else
			start_job(line);
	}
	pc_table_close(table);
	return 0;
}
