/* The view that shows each process exit, once, when the last thread is gone. */
#include "pcwatch.h"

static void show_end(const struct pc_change *change)
{
	const struct pc_process *process = &change->process;
	bool known = change->flags & PC_CHANGE_EXIT_CODE;
	bool from_leader = is_leaders_status(change);
	bool observed = change->kind == PC_CHANGE_EXITED;
	/* The process may have failed if its own status is unknown. */
	bool unsure = !known || (from_leader && process->state & PC_PROCESS_LEADER_GONE);
	bool failed = unsure || change->exit_code;
	struct pc_process parent = { 0 };
	char time[24];
	if (options.failed && !failed)
		return;
	if (!begin_record("end", change->timestamp_ns, failed ? "\033[31m" : "\033[2m"))
		return;
	number("pid", NULL, true, process->pid);
	string("comm", NULL, process_name(process));
	columns(process->pid, 0, process_name(process));
	status(change->exit_code, known);
	text(from_leader ? " (the leader's)" : "");
	boolean("from_leader", known, from_leader);
	nanoseconds("run_time_ns", (long long)(change->timestamp_ns - process->user));
	text(observed ? " after " : " within ");
	text(run_time(change, time));
	boolean("observed", true, observed);
	pc_table_get(table, process->parent_pid, &parent);
	number("parent_pid", ", parent %lld", process->parent_pid, process->parent_pid);
	bool there = parent.id && parent.id == process->parent_id;
	string("parent_comm", " (%s)", there ? process_name(&parent) : NULL);
	end_record(0);
}

/* The table begins to read /proc again. An overrun record follows when that is complete. */
static void show_doubt(const struct pc_change *change)
{
	if (!begin_record("unsynced", change->timestamp_ns, "\033[31m"))
		return;
	columns(0, 0, NULL);
	number("lost_so_far", change->lost ? "lost %lld events so far" : "events may be missing", true,
	       (long long)change->lost);
	since(change->since_ns);
	text(": reading /proc");
	end_notice();
}

static void show_loss(const struct pc_change *change)
{
	if (!begin_record("overrun", change->timestamp_ns, "\033[1;7;31m"))
		return;
	columns(0, 0, NULL);
	overrun(change->lost, change->since_ns, change->flags & PC_CHANGE_DEAF);
	end_record(PC_EVENT_OVERRUN);
}

static void show_hidden(const struct pc_change *change)
{
	static uint32_t last;
	if (change->hidden == last || !begin_record("hidden", change->timestamp_ns, "\033[31m"))
		return;
	columns(0, 0, NULL);
	number("hidden", "/proc hides %lld processes", true, change->hidden);
	end_notice();
	last = change->hidden;
}

static void take(const struct pc_change *change)
{
	if (is_end(change))
		show_end(change);
	if (change->kind == PC_CHANGE_UNSYNCED)
		show_doubt(change);
	if (change->kind == PC_CHANGE_SYNCED && change->since_ns)
		show_loss(change);
	if (change->kind == PC_CHANGE_SYNCED)
		show_hidden(change);
}

static void drain_ends(void)
{
	drain_table(take);
}

const struct view end_view = {
	.open = open_table,
	.check = check_table,
	.drain = drain_ends,
	.get_stats = get_table_stats,
	.close = close_table,
};
