/* The view that shows processes: each end once, when the last thread is gone; with a family, starts too. */
#include "pcwatch.h"

#include <stdlib.h>
#include <string.h>

/* What is kept for each process, until it has exited. */
struct life {
	uint64_t began_ns;
	bool runs; /* it has run a program since */
	struct facts facts;
};

static struct life *life_of(const struct pc_process *process)
{
	return (struct life *)(uintptr_t)process->user;
}

/* change: reports that the process was found or has started. */
static struct life *begin_life(const struct pc_change *change)
{
	struct life *life = calloc(1, sizeof(*life));
	if (!life)
		abort();
	life->began_ns = beginning(change);
	pc_table_set_user(table, change->process.pid, (uintptr_t)life);
	return life;
}

static void end_life(struct life *life)
{
	free_facts(&life->facts);
	free(life);
}

/* Reads first what vanishes first. If the process is gone, the facts of its earlier program are not its own. */
static void read_life(struct life *life, const struct pc_process *process)
{
	uint32_t wanted = options.show & ~(uint32_t)(SHOW_USER | SHOW_PARENT | SHOW_SESSION);
	clear_facts(&life->facts);
	life->facts.start_boottime_ns = process->start_boottime_ns;
	life->facts.pidfd_inode = process->pidfd_inode;
	read_command(process->pid, &life->facts);
	read_facts(process->pid, wanted | (options.cgroup ? (uint32_t)SHOW_CGROUP : 0), &life->facts);
}

/*
 * After a loss of events, any process may run another program than the one that is known. What a process had
 * before it became a zombie stays.
 */
static void read_all_again(void)
{
	struct pc_process process;
	for (uint64_t cursor = 0; pc_table_each(table, &cursor, &process) == 1;) {
		struct life *life = life_of(&process), read = { 0 };
		read_life(&read, &process);
		if (!life || !read.facts.command.known) {
			free_facts(&read.facts);
			continue;
		}
		free_facts(&life->facts);
		life->facts = read.facts;
	}
}

/* Completes what is kept with what the table knows at this moment. */
static void update(struct facts *facts, const struct pc_process *process)
{
	bool owned = process->valid & PC_FIELD_CREDENTIALS;
	facts->owner = (struct ids){ owned, process->ruid, process->euid };
	facts->relations.parent_known = true;
	facts->relations.parent = process->parent_pid;
	facts->relations.session_known = process->valid & PC_FIELD_SESSION;
	facts->relations.session = process->session;
}

static bool is_wanted(const struct pc_change *change, const struct facts *facts)
{
	const struct pc_process *process = &change->process;
	bool started = change->kind == PC_CHANGE_STARTED;
	struct candidate candidate = { process->pid, started ? process->parent_pid : 0, process_name(process),
				       facts->owner, UNDECIDED };
	if (!has_filter())
		return true;
	if (options.cgroup)
		candidate.in_cgroup = judge_cgroup(&facts->cgroup);
	enum verdict verdict = judge(&candidate);
	if (verdict == UNDECIDED)
		count_undecided();
	return verdict == WANTED;
}

/* Returns NULL if there is no such parent any more, or its name is not known. */
static const char *parent_name(const struct pc_process *process, struct pc_process *parent)
{
	if (pc_table_get(table, process->parent_pid, parent) == 1 && parent->id == process->parent_id)
		return process_name(parent);
	/* With a family, the table does not report the parent of its first process, and who adopts orphans. */
	bool read = options.family && process->parent_pid && read_name(process->parent_pid, parent->comm);
	return read ? parent->comm : NULL;
}

static void show_process(const struct pc_change *change, const struct facts *facts, const char *parent)
{
	const struct pc_process *process = &change->process;
	number("pid", NULL, true, process->pid);
	string("comm", NULL, process_name(process));
	columns(process->pid, 0, process_name(process));
	show_facts(facts, is_end(change) ? NULL : "parent_pid", parent);
	if (options.family)
		boolean("perhaps", true, process->state & PC_PROCESS_PERHAPS);
	if (process->state & PC_PROCESS_PERHAPS)
		text("(perhaps) ");
}

/* Shows that a process has started, or runs a new program. */
static void show_begin(const struct pc_change *change, const struct facts *facts)
{
	bool exec = change->kind == PC_CHANGE_EXECED;
	struct pc_process parent;
	if (!begin_record(exec ? "exec" : "start", change->timestamp_ns, exec ? "\033[1m" : NULL))
		return;
	show_process(change, facts, parent_name(&change->process, &parent));
	show_command(facts);
	end_record(exec ? PC_EVENT_EXEC : STARTS);
}

static void show_end(const struct pc_change *change, const struct life *life)
{
	const struct pc_process *process = &change->process;
	bool known = change->flags & PC_CHANGE_EXIT_CODE;
	bool from_leader = is_leaders_status(change);
	bool observed = change->kind == PC_CHANGE_EXITED;
	/* The process may have failed if its own status is unknown. */
	bool unsure = !known || (from_leader && process->state & PC_PROCESS_LEADER_GONE);
	bool failed = unsure || change->exit_code;
	struct pc_process parent;
	const char *name = parent_name(process, &parent);
	char time[24];
	if (options.failed && !failed)
		return;
	if (!begin_record("end", change->timestamp_ns, failed ? "\033[31m" : "\033[2m"))
		return;
	show_process(change, &life->facts, name);
	status(change->exit_code, known);
	text(from_leader ? " (the leader's)" : "");
	boolean("from_leader", known, from_leader);
	nanoseconds("run_time_ns", (long long)(change->timestamp_ns - life->began_ns));
	text(observed ? " after " : " within ");
	text(run_time(life->began_ns, change->timestamp_ns, time));
	boolean("observed", true, observed);
	number("parent_pid", ", parent %lld", process->parent_pid, process->parent_pid);
	string("parent_comm", " (%s)", name);
	text(": ");
	show_command(&life->facts);
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
	enum lost_reason reason = change->flags & PC_CHANGE_DEAF ? LOST_DEAF : LOST_IN_QUEUE;
	count_overrun(reason);
	note_loss(change->lost, reason);
	if (!begin_record("overrun", change->timestamp_ns, "\033[1;7;31m"))
		return;
	columns(0, 0, NULL);
	overrun(change->lost, change->since_ns, reason);
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

/*
 * Returns whether there is nothing left to wait for: the family is gone, or with --leader its first process.
 * While the table is in doubt, one may be there of which it does not know.
 */
static bool is_over(const struct pc_change *change)
{
	if (options.pid && is_end(change) && change->process.pid == options.pid)
		return true;
	if (options.leader)
		return is_end(change) && change->process.pid == options.family;
	return options.family && pc_table_is_synced(table) && pc_table_count(table) == 0;
}

static void take_process(const struct pc_change *change)
{
	const struct pc_process *process = &change->process;
	struct life *life = life_of(process);
	if (!life)
		life = begin_life(change);
	bool starts = change->kind == PC_CHANGE_STARTED, execs = change->kind == PC_CHANGE_EXECED;
	if (change->kind == PC_CHANGE_FOUND || starts || execs)
		read_life(life, process);
	if (execs && options.command && !life->runs && process->pid == options.family)
		life->began_ns = change->timestamp_ns; /* before, its process waited for the table */
	life->runs |= execs;
	update(&life->facts, process);
	if (starts || execs || is_end(change))
		count_deed(starts ? FORKED : execs ? EXECUTED : EXITED, process_name(process));
	if (is_end(change) && change->flags & PC_CHANGE_EXIT_CODE && change->exit_code)
		count_deed(FAILED, process_name(process));
	bool shown = is_end(change) || (options.family && !options.ends && (starts || execs));
	if (shown && is_wanted(change, &life->facts)) {
		if (is_end(change))
			show_end(change, life);
		else
			show_begin(change, &life->facts);
	}
	if (is_end(change))
		end_life(life);
}

static void take_synced(const struct pc_change *change)
{
	struct pc_process process;
	if (change->since_ns) {
		show_loss(change);
		read_all_again();
	}
	show_hidden(change);
	if (options.pid && pc_table_get(table, options.pid, &process) != 1)
		stop(0); /* it exited before the table was open */
	if (options.command) /* now the table reports everything that the command does */
		release_job();
}

static void take(const struct pc_change *change)
{
	if (change->kind == PC_CHANGE_SYNCED)
		take_synced(change);
	else if (change->kind == PC_CHANGE_UNSYNCED)
		show_doubt(change);
	else
		take_process(change);
	if (running && is_over(change)) {
		expect_end();
		stop(0);
	}
}

static void drain_lives(void)
{
	drain_table(take);
}

const struct view life_view = {
	.open = open_table,
	.check = check_table,
	.drain = drain_lives,
	.get_stats = get_table_stats,
	.close = close_table,
};
