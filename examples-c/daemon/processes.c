/*
 * The library's table of processes drives the policy. It reports every process that runs when the
 * daemon starts, then every change, and after a loss of events it finds out what has changed. So
 * neither an overload nor a restart makes the daemon miss a process that still runs.
 */
#include "pcpolicyd.h"

#include <errno.h>
#include <linux/capability.h>
#include <poll.h>
#include <proc_connector.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CHANGES_PER_WAKE_UP = 1024, PAUSE_MS = 10 };

static struct pc_table *table;

/*
 * Opens the table, and then becomes the user and gives up what only opening needs: CAP_NET_ADMIN,
 * before Linux 6.6 or for a queue larger than rmem_max allows. Returns a descriptor that is
 * readable when processes_follow() has something to do.
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
	if (result < 0)
		fail("/proc", pc_strerror(result));
	return pc_table_fd(table);
}

void processes_close(void)
{
	pc_table_close(table);
}

/*
 * Applies the policy to a process. The value that the table keeps with it is the time since which
 * it has what the policy asks for, by the clock of its children's start.
 */
static void apply(const struct pc_process *process, const char *prefix)
{
	struct pc_process now;
	struct timespec since;
	/* Without a valid name: a thread of the kernel, or a process that exited unread. */
	const struct rule *rule = process->valid & PC_FIELD_COMM ? policy_find(process->comm) : NULL;
	int alive = rule ? pc_process_read(process->pid, &now) : 0;
	if (alive < 0 && alive != -ESRCH)
		report(LOG_WARNING, "%s%d (%s) cannot be read: %s\n", prefix, process->pid,
		       process->comm, pc_strerror(alive));
	/* If the pid has another owner or the process another name, that change will follow. */
	if (alive < 1 || now.start_boottime_ns != process->start_boottime_ns ||
	    strcmp(now.comm, process->comm) != 0)
		return;
	policy_apply(rule, process->pid, prefix);
	clock_gettime(CLOCK_BOOTTIME, &since);
	pc_table_set_user(table, process->pid,
			  (uint64_t)since.tv_sec * 1000000000u + (uint64_t)since.tv_nsec);
}

void processes_apply_again(void)
{
	struct pc_process process;
	uint64_t cursor = 0;
	while (pc_table_each(table, &cursor, &process) == 1)
		apply(&process, "reloaded: ");
}

/*
 * Whether a child got its values from a parent that the policy had treated before the fork. The
 * child may have chosen other values since, which stay. After a loss of events, it may have run a
 * program since, so that the policy applies.
 */
static bool inherits(const struct pc_change *change)
{
	const struct pc_process *child = &change->process;
	struct pc_process parent;
	if (change->kind != PC_CHANGE_STARTED || change->flags & PC_CHANGE_RECOVERED ||
	    pc_table_get(table, child->parent_pid, &parent) != 1 || parent.user == 0 ||
	    parent.user >= child->start_boottime_ns || strcmp(parent.comm, child->comm) != 0)
		return false;
	pc_table_set_user(table, child->pid, parent.user);
	return true;
}

/* The first SYNCED ends the list of what ran already: from here on the policy is in force. */
static void synced(const struct pc_change *change)
{
	if (change->flags & PC_CHANGE_RECOVERED)
		report(LOG_NOTICE, "recovered: %s%llu events were lost\n",
		       change->flags & PC_CHANGE_DEAF ? "at least " : "",
		       (unsigned long long)change->lost);
	if (!ready) {
		background_ready();
		notify("READY=1");
		ready = true;
	}
}

/* Of all changes, FOUND, STARTED, EXECED and RENAMED may give a process another name. */
static void take(const struct pc_change *change)
{
	if (change->kind == PC_CHANGE_SYNCED)
		synced(change);
	else if (change->kind <= PC_CHANGE_RENAMED && !inherits(change))
		apply(&change->process, change->flags & PC_CHANGE_RECOVERED ? "recovered: " : "");
}

/* Reports an error of the table once, until there is none or another one. */
static void complain(int result)
{
	static int last;
	if (result < 0 && result != last)
		report(LOG_WARNING, "the table of processes: %s\n", pc_strerror(result));
	last = result;
}

/* Takes a limited number of changes. The table's descriptor stays readable while more wait. */
void processes_follow(void)
{
	struct pc_change change;
	int result = 1;
	for (int i = 0; result == 1 && i < CHANGES_PER_WAKE_UP; i++)
		if ((result = pc_table_next(table, &change, 0)) == 1)
			take(&change);
	/* After an error nothing is lost, but memory or descriptors may take a while to be free. */
	if (result < 0) {
		complain(result);
		poll(NULL, 0, PAUSE_MS);
	}
}

/*
 * From Linux 6.6 on any process can make the kernel report to nobody. The check repairs that, and
 * the table then recovers.
 */
void processes_check(void)
{
	complain(pc_table_check(table));
}
