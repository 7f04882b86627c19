/*
 * Applies the policy to the processes that the library's table reports. The table reports every
 * process that runs when the daemon starts, then every change. After a loss of events, the table
 * reports what has changed since. So neither an overload nor a restart makes the daemon miss a
 * process that still runs.
 */
#include "pcpolicyd.h"

#include <errno.h>
#include <linux/capability.h>
#include <proc_connector.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CHANGES_PER_WAKE_UP = 1024 };

/*
 * pc_process.user: the time when the policy was applied to the process; 0: never; or WAITING. A
 * process that a reading of /proc has shown waits until the reading is complete, because the table
 * finds its children later.
 */
enum { WAITING = 1 };

static struct pc_table *table;
static bool some_wait; /* a process is WAITING */

/*
 * Asks the kernel to run this thread soon after an event wakes it, because the command line of a
 * short program exists only for a moment. The daemon works without that, too.
 */
void processes_wake_soon(void)
{
	int granted = pc_wake_soon(PC_WAKE_SLICE);
	report(LOG_INFO, "waking soon: %s\n", granted == PC_WAKE_SLICE ? "the kernel grants a short slice"
						  : granted == PC_WAKE_REALTIME ? "the daemon is a realtime program"
						  : granted < 0 ? pc_strerror(granted)
								: "the kernel grants nothing");
}

/*
 * Opens the table, then becomes the user and gives up all privileges except CAP_SYS_NICE. Only
 * opening needs CAP_NET_ADMIN, before Linux 6.6 or for a queue larger than rmem_max allows.
 * Returns a descriptor that is readable when processes_follow() has something to do.
 */
int processes_open(const char *user)
{
	struct pc_table_options options = PC_TABLE_OPTIONS_INIT;
	options.fields = PC_FIELD_COMM;
	const char *budget = getenv("RCVBUF_BYTES");
	options.rcvbuf_bytes = budget ? (uint32_t)strtoul(budget, NULL, 10) : 0;
	int result = pc_table_open(&table, &options);
	if (result < 0)
		fail("cannot open", pc_strerror(result));
	privileges_keep_only(CAP_SYS_NICE, user);
	/* With hidepid, /proc hides processes from the user although root saw them all. */
	result = pc_process_alive(1);
	if (result == -EACCES || result == -EPERM)
		fail(user ? user : "/proc", "/proc hides processes from this user (its mount option hidepid)");
	if (result < 0)
		fail("/proc", pc_strerror(result));
	return pc_table_fd(table);
}

void processes_close(void)
{
	pc_table_close(table);
}

uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Returns whether the pid still has this owner, with this name. Otherwise a later change reports it. */
bool process_is_current(const struct pc_process *process, const struct rule *rule, const char *prefix)
{
	struct pc_process now;
	int alive = pc_process_read(process->pid, &now);
	if (alive < 0 && alive != -ESRCH)
		report(LOG_WARNING, "%s%d (%s) cannot be read: %s\n", prefix, process->pid,
		       policy_name(rule), pc_strerror(alive));
	return alive >= 1 && now.start_boottime_ns == process->start_boottime_ns &&
	       strcmp(now.comm, process->comm) == 0;
}

/*
 * Applies the policy to a process. The table stores the time of this with the process, on the clock
 * of the children's start times (CLOCK_BOOTTIME). If it is known since when the process has run the
 * program or had the name, its older children stay as they are.
 */
static void apply(const struct pc_process *process, bool renamed, uint64_t since_ns, const char *prefix)
{
	static struct application application;
	/* The name of a kernel thread, or of a process that exited unread, is not valid. */
	const struct rule *rule = process->valid & PC_FIELD_COMM
					  ? policy_find(process->pid, process->comm, renamed) : NULL;
	if (!rule || !process_is_current(process, rule, prefix))
		return;
	application = (struct application){ .id = process->id, .rule = rule, .since_ns = since_ns };
	policy_inherited(process->pid, &application.inherited);
	bool changed = policy_apply(rule, process->pid, NULL, prefix);
	pc_table_set_user(table, process->pid, clock_ns(CLOCK_BOOTTIME));
	if (changed)
		children_apply(table, process, &application, prefix);
}

static void apply_to_waiting(void)
{
	struct pc_process process;
	uint64_t cursor = 0;
	while (some_wait && pc_table_each(table, &cursor, &process) == 1) {
		if (process.user != WAITING)
			continue;
		pc_table_set_user(table, process.pid, 0);
		apply(&process, false, 0, ready ? "recovered: " : "");
	}
	some_wait = false;
}

void processes_apply_again(void)
{
	children_forget(); /* they refer to the old rules */
	struct pc_process process;
	uint64_t cursor = 0;
	while (pc_table_each(table, &cursor, &process) == 1)
		apply(&process, false, 0, "reloaded: ");
}

/*
 * Returns whether a child inherited its values from a parent to which the policy was applied before
 * the fork. Such a child may have chosen other values since, and they stay. Valid only for a child
 * that an event has reported. Any other child may have run another program since the fork.
 */
static bool inherits(const struct pc_change *change)
{
	const struct pc_process *child = &change->process;
	struct pc_process parent;
	if (pc_table_get(table, child->parent_pid, &parent) != 1 || parent.user <= WAITING ||
	    parent.user >= child->start_boottime_ns || strcmp(parent.comm, child->comm) != 0)
		return false;
	pc_table_set_user(table, child->pid, parent.user);
	return true;
}

/*
 * Reports how many processes /proc has begun to hide since the table was opened. Their names are not
 * known, so the policy does not reach them.
 */
static void report_hidden(uint32_t count)
{
	static uint32_t last;
	if (count != last)
		report(count ? LOG_WARNING : LOG_NOTICE, "/proc hides %u processes\n", (unsigned)count);
	last = count;
}

/* The first SYNCED ends the list of processes that ran already: the policy is now in force. */
static void synced(const struct pc_change *change)
{
	apply_to_waiting();
	if (change->flags & PC_CHANGE_RECOVERED)
		report(LOG_NOTICE, "recovered: %s%llu events were lost\n",
		       change->flags & PC_CHANGE_DEAF ? "at least " : "",
		       (unsigned long long)change->lost);
	report_hidden(change->hidden);
	if (!ready) {
		background_ready();
		notify("READY=1");
		ready = true;
	}
}

/* Of all changes, FOUND, STARTED, EXECED and RENAMED may give a process another name. */
static void take(const struct pc_change *change)
{
	const struct pc_process *process = &change->process;
	if (change->kind == PC_CHANGE_SYNCED) {
		synced(change);
	} else if (change->kind == PC_CHANGE_UNSYNCED) {
		report(LOG_NOTICE, "recovering: events may be missing\n");
	} else if (change->kind > PC_CHANGE_RENAMED) {
		return;
	} else if (change->kind == PC_CHANGE_FOUND || change->flags & PC_CHANGE_RECOVERED) {
		pc_table_set_user(table, process->pid, WAITING);
		some_wait = true;
	} else if (change->kind == PC_CHANGE_STARTED) {
		if (!inherits(change)) {
			children_late(table, process);
			apply(process, false, 0, "");
		}
	} else {
		uint64_t slept_ns = clock_ns(CLOCK_BOOTTIME) - clock_ns(CLOCK_MONOTONIC);
		apply(process, change->kind == PC_CHANGE_RENAMED, change->timestamp_ns + slept_ns, "");
	}
}

/* Reports an error of the table, unless it was the previous result, too. */
static void complain(int result)
{
	static int last;
	if (result < 0 && result != last)
		report(LOG_WARNING, "the table of processes: %s\n", pc_strerror(result));
	last = result;
}

/* Takes some changes. While there are more, the table's descriptor stays readable. */
void processes_follow(void)
{
	struct pc_change change;
	int result = 1;
	for (int i = 0; result == 1 && i < CHANGES_PER_WAKE_UP; i++)
		if ((result = pc_table_next(table, &change, 0)) == 1)
			take(&change);
	/* Nothing is lost. The descriptor becomes readable again when the table has rested. */
	if (result < 0)
		complain(result);
}

/*
 * Called once a second. Makes the kernel report again if it has stopped. From Linux 6.6 on, any
 * process can stop it. The table then recovers. In a flood, that takes long, so the processes that
 * have been found so far get their values now.
 */
void processes_check(void)
{
	complain(pc_table_check(table));
	if (ready)
		apply_to_waiting();
}
