/* The view that shows each process exit, once, when the last thread is gone. */
#include "pcwatch.h"

static void show_end(const struct pc_change *change)
{
	const struct pc_process *process = &change->process;
	bool known = change->flags & PC_CHANGE_EXIT_CODE;
	bool observed = change->kind == PC_CHANGE_EXITED;
	bool failed = !known || change->exit_code; /* with an unknown status, the process may have failed */
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

static void take(const struct pc_change *change)
{
	if (is_end(change))
		show_end(change);
	if (change->kind != PC_CHANGE_SYNCED || !change->since_ns)
		return;
	if (!begin_record("overrun", change->timestamp_ns, "\033[1;7;31m"))
		return;
	columns(0, 0, NULL);
	overrun(change->lost, change->since_ns, change->flags & PC_CHANGE_DEAF);
	end_record(PC_EVENT_OVERRUN);
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
