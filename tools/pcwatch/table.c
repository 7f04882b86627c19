/* Follows the library's process table, which reads /proc again after events were lost. */
#include "pcwatch.h"

#include <stdio.h>
#include <time.h>

enum { CHANGES_PER_WAKE_UP = 1024, CALM_MS = 10000 };

struct pc_table *table;

int open_table(void)
{
	struct pc_table_options wanted = PC_TABLE_OPTIONS_INIT;
	wanted.fields = PC_FIELD_COMM;
	if (options.show & SHOW_USER || options.by_user)
		wanted.fields |= PC_FIELD_CREDENTIALS;
	if (options.show & SHOW_SESSION)
		wanted.fields |= PC_FIELD_SESSION;
	wanted.family = options.family;
	if (options.cgroup || options.show & (SHOW_EXE | SHOW_CWD | SHOW_CGROUP | SHOW_CONTAINER | SHOW_NSPID))
		wanted.flags |= PC_TABLE_PIDFD_INODES; /* so that no text of another process is shown */
	struct legacy left; /* by the view of events */
	if (inherit(&left))
		disinherit(&left); /* a table reads /proc instead */
	int error = pc_table_open(&table, &wanted);
	return error < 0 ? error : pc_table_fd(table);
}

int check_table(void)
{
	return pc_table_check(table);
}

void get_table_stats(struct pc_stats *stats)
{
	pc_table_get_stats(table, stats, sizeof(*stats));
}

void close_table(bool complete)
{
	(void)complete; /* the next run reads /proc */
	pc_table_close(table);
}

/*
 * Returns the CLOCK_MONOTONIC time at which a process started that was found or has started. That clock
 * stands still while the machine sleeps, so for a process that started before a sleep the time may be
 * negative.
 */
uint64_t beginning(const struct pc_change *change)
{
	uint64_t slept_ns = clock_ns(CLOCK_BOOTTIME) - now_ns();
	bool observed = change->kind == PC_CHANGE_STARTED && !(change->flags & PC_CHANGE_RECOVERED);
	return observed ? change->timestamp_ns : change->process.start_boottime_ns - slept_ns;
}

/*
 * Returns whether a later call may succeed. Nothing is lost meanwhile: the table rests, then it tries
 * again. A script that prints the tree once is better served by an error than by a wait without limit.
 */
static bool may_pass(int error)
{
	bool prints_once = options.tree && !on_terminal;
	return (error == -EMFILE || error == -ENFILE || error == -ENOMEM) && !prints_once;
}

/*
 * Reports an error of pc_table_next(), and stops if the error lasts. While it comes again and again, with
 * or without changes in between, it is reported once.
 */
static void handle(int error)
{
	static int last_error;
	static uint64_t last_ns;
	uint64_t now = now_ns();
	if (error != last_error || now > last_ns + CALM_MS * NS_PER_MS)
		complain("cannot follow the processes", pc_strerror(error));
	if (!may_pass(error))
		stop(1);
	last_error = error;
	last_ns = now;
}

void drain_table(void (*take)(const struct pc_change *change))
{
	struct pc_change change;
	int result = 1;
	for (int i = 0; running && result == 1 && i < CHANGES_PER_WAKE_UP; i++) {
		result = pc_table_next(table, &change, 0);
		if (result < 0 && result != -EINTR)
			handle(result);
		if (result != 1)
			return;
		take(&change);
	}
}

/*
 * Returns NULL if the process exited before the library could read its name. The library marks the
 * name of a kernel thread as not valid, because the thread may rename itself. For display, the name
 * that the library has read is good enough.
 */
const char *process_name(const struct pc_process *process)
{
	bool known = process->valid & PC_FIELD_COMM || process->state & PC_PROCESS_KERNEL_THREAD;
	return known ? process->comm : NULL;
}

bool is_end(const struct pc_change *change)
{
	return change->kind == PC_CHANGE_EXITED || change->kind == PC_CHANGE_VANISHED;
}

/* Returns whether the status is the leader's, and the process's own is not known for certain. */
bool is_leaders_status(const struct pc_change *end)
{
	return end->flags & PC_CHANGE_LEADER_CODE;
}

const char *run_time(uint64_t began_ns, uint64_t ended_ns, char buffer[24])
{
	double seconds = (double)(int64_t)(ended_ns - began_ns) / 1e9;
	snprintf(buffer, 24, "%.*f s", seconds < 10 ? 3 : seconds < 100 ? 1 : 0, seconds);
	return buffer;
}
