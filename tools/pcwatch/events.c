/* The view that shows each event of the kernel. */
#include "pcwatch.h"

#include <stdio.h>
#include <string.h>

enum { BATCH = 64, BATCHES_PER_WAKE_UP = 16, FEW = 8 };

/* The reason of an overrun that pcwatch makes itself, in addition to those of enum pc_lost_reason. */
enum { RESTARTED = 100 };

static struct pc_connector *pc;
static struct legacy legacy; /* what the next run will know of this one */
static uint64_t deaf_reports;
static uint64_t lost_between; /* what the kernel dropped since the last report of the previous run */

/* What was read about an EXEC's process. */
struct program {
	struct facts facts;
	char name[16]; /* empty if it is unknown */
};

/*
 * The events that were received but not printed. A short program is gone a moment after its EXEC. So
 * pcwatch reads the command lines of all EXECs before it reads anything else about them, and that before it
 * prints any. It even sleeps before it prints a few EXECs: the less it does at a time, the sooner the
 * scheduler lets it run again.
 */
static struct pc_event events[BATCH];
static struct program programs[BATCH];
static size_t event_count;

static void read_program(const struct pc_event *event, struct program *program)
{
	clear_facts(&program->facts);
	read_command(event->data.exec.tgid, &program->facts);
	read_name(event->data.exec.pid, program->name);
}

/* Returns which facts are asked for, besides the owner, who is known from events. */
static uint32_t wanted_facts(void)
{
	return (options.show & ~(uint32_t)SHOW_USER) | (options.cgroup ? (uint32_t)SHOW_CGROUP : 0);
}

static void parent(const char *format, pid_t pid, pid_t tgid)
{
	number("parent_pid", NULL, pid, pid);
	number("parent_tgid", format, tgid, tgid);
	string("parent_comm", format ? " (%s)" : NULL, tgid ? name_of(tgid) : NULL);
}

static void change(const char *key, bool old_known, uint32_t old, uint32_t new)
{
	char old_key[16];
	snprintf(old_key, sizeof(old_key), "old_%s", key);
	text(key);
	number(old_key, " %lld ->", old_known, old);
	number(key, " %lld", true, new);
}

static void changes(const char *real_key, const char *effective_key, const struct ids *old,
		    uint32_t real, uint32_t effective)
{
	/* If old and new ids are equal, /proc was ahead of the event when it was read. */
	bool known = old->known && (old->real != real || old->effective != effective);
	change(real_key, known, old->real, real);
	text(", ");
	change(effective_key, known, old->effective, effective);
}

/*
 * An EXIT reports the exit of a task. pc_process_alive() looks up in /proc whether the process
 * exited, too, but /proc may be ahead of the event. --ends does not need this look-up.
 */
static void exit_details(const struct pc_event_exit *exit)
{
	bool leader = exit->pid == exit->tgid;
	int alive = pc_process_alive(exit->tgid);
	status(exit->exit_code, true);
	number("exit_signal", NULL, true, exit->exit_signal);
	boolean("process_ended", alive >= 0, alive == 0);
	if (leader && alive > 0)
		text(alive == 2 ? ", threads live on" : ", process lives on");
	parent(leader ? ", parent %lld" : NULL, exit->parent_pid, exit->parent_tgid);
}

static enum lost_reason lost_reason(const struct pc_event *overrun)
{
	uint32_t reason = overrun->data.overrun.reason;
	return reason == RESTARTED ? LOST_AT_RESTART : reason == PC_LOST_DEAF ? LOST_DEAF : LOST_IN_QUEUE;
}

/* old: the names and ids of the task before the event. */
static void details(const struct pc_event *event, const struct task *old, const struct facts *facts)
{
	const union pc_event_data *data = &event->data;
	bool thread;
	pid_t tracer;
	switch (event->kind) {
	case PC_EVENT_FORK:
		thread = data->fork.child_pid != data->fork.child_tgid;
		text(thread ? "thread" : "");
		parent(thread ? NULL : "parent %lld", data->fork.parent_pid, data->fork.parent_tgid);
		break;
	case PC_EVENT_EXEC:
		show_command(facts);
		break;
	case PC_EVENT_EXIT:
		exit_details(&data->exit);
		break;
	case PC_EVENT_UID:
		changes("ruid", "euid", &old->uid, data->uid.ruid, data->uid.euid);
		break;
	case PC_EVENT_GID:
		changes("rgid", "egid", &old->gid, data->gid.rgid, data->gid.egid);
		break;
	case PC_EVENT_SID:
		text("new session");
		break;
	case PC_EVENT_PTRACE:
		tracer = data->ptrace.tracer_tgid;
		number("tracer_pid", NULL, true, data->ptrace.tracer_pid);
		number("tracer_tgid", tracer ? "tracer %lld" : "no longer traced", true, tracer);
		string("tracer_comm", " (%s)", tracer ? name_of(tracer) : NULL);
		break;
	case PC_EVENT_COMM:
		if (options.json)
			string("old_comm", NULL, old->named ? old->comm : NULL);
		else
			string(NULL, "now %s", data->comm.comm);
		break;
	case PC_EVENT_COREDUMP:
		parent("parent %lld", data->coredump.parent_pid, data->coredump.parent_tgid);
		break;
	case PC_EVENT_OVERRUN:
		overrun(data->overrun.lost, data->overrun.since_ns, lost_reason(event));
		break;
	default:
		number("what", "kernel event %lld", true, data->unknown.what);
		number("size", ", %lld bytes", true, data->unknown.size);
		break;
	}
}

static pid_t who(const struct pc_event *event)
{
	if (event->kind == PC_EVENT_FORK)
		return event->data.fork.child_pid;
	/* Every other event with ids has its pid where EXEC has it. */
	return pc_event_tgid(event) ? event->data.exec.pid : 0;
}

static const char *colour_of(const struct pc_event *event)
{
	static const char *const COLOURS[PC_EVENT_UNKNOWN + 1] = {
		[PC_EVENT_EXEC] = "\033[1m", [PC_EVENT_EXIT] = "\033[2m",
		[PC_EVENT_UID] = "\033[33m", [PC_EVENT_GID] = "\033[33m",
		[PC_EVENT_PTRACE] = "\033[35m", [PC_EVENT_COREDUMP] = "\033[31m",
		[PC_EVENT_OVERRUN] = "\033[1;7;31m",
	};
	bool failed = event->kind == PC_EVENT_EXIT && event->data.exit.exit_code;
	return failed ? "\033[31m" : COLOURS[event->kind];
}

/* The objects of these kinds have fields of the parent anyway. */
static bool names_parent(const struct pc_event *event)
{
	return event->kind == PC_EVENT_FORK || event->kind == PC_EVENT_EXIT || event->kind == PC_EVENT_COREDUMP;
}

static void show_identity(const struct pc_event *event, const struct facts *facts)
{
	pid_t parent = facts->relations.parent_known ? facts->relations.parent : 0;
	const char *name = options.show & SHOW_PARENT && parent ? name_of(parent) : NULL;
	show_facts(pc_event_tgid(event) ? facts : NULL, names_parent(event) ? NULL : "parent_tgid", name);
}

/* name: NULL if it is unknown. */
static void show(const struct pc_event *event, const struct task *old, const char *name,
		 const struct facts *facts)
{
	bool fork = event->kind == PC_EVENT_FORK, comm = event->kind == PC_EVENT_COMM;
	pid_t pid = who(event);
	if (event->kind == PC_EVENT_OVERRUN)
		note_loss(event->data.overrun.lost, lost_reason(event));
	if (event->kind == PC_EVENT_OVERRUN && lost_reason(event) == LOST_DEAF)
		deaf_reports++;
	if (!begin_record(pc_event_name(event->kind), event->timestamp_ns, colour_of(event)))
		return;
	if (options.json) {
		number("cpu", NULL, true, event->cpu);
		number("seq", NULL, true, event->seq);
	}
	if (options.json && pid) {
		number(fork ? "child_pid" : "pid", NULL, true, pid);
		number(fork ? "child_tgid" : "tgid", NULL, true, pc_event_tgid(event));
		string("comm", NULL, comm ? event->data.comm.comm : name);
	}
	if (comm) /* the details show the new name, the column shows the old name */
		name = old->named ? old->comm : NULL;
	columns(pc_event_tgid(event), pid, name);
	show_identity(event, facts);
	details(event, old, facts);
	end_record(event->kind);
}

/*
 * Returns whether a process is in --cgroup. When it is gone, that is known from the last reading, of itself or
 * of its parent at the FORK.
 */
static enum verdict in_cgroup(pid_t tgid, const struct facts *facts)
{
	struct task *task = task_of(tgid);
	if (facts->cgroup.known)
		task->in_cgroup = judge_cgroup(&facts->cgroup);
	return task->in_cgroup;
}

/* No event reports that a process moves to another cgroup. So its cgroup is read again at each FORK. */
static void inherit_cgroup(const struct pc_event_fork *fork)
{
	static struct facts parent;
	clear_facts(&parent);
	read_facts(fork->parent_tgid, SHOW_CGROUP, &parent);
	enum verdict verdict = in_cgroup(fork->parent_tgid, &parent);
	task_of(fork->child_pid)->in_cgroup = verdict;
}

static bool is_wanted(const struct pc_event *event, const char *name, const struct facts *facts)
{
	pid_t tgid = pc_event_tgid(event);
	bool fork = event->kind == PC_EVENT_FORK;
	struct candidate candidate = { tgid, fork ? event->data.fork.parent_tgid : 0, name, facts->owner, UNDECIDED };
	if (!tgid || !has_filter())
		return true;
	if (options.cgroup)
		candidate.in_cgroup = in_cgroup(tgid, facts);
	enum verdict verdict = judge(&candidate);
	if (verdict == UNDECIDED)
		count_undecided();
	return verdict == WANTED;
}

/* What an EXIT leaves behind has no executable and no directory. */
static void read_others(const struct pc_event *event, struct facts *facts)
{
	uint32_t wanted = wanted_facts();
	if (event->kind == PC_EVENT_EXIT)
		wanted &= ~(uint32_t)(SHOW_EXE | SHOW_CWD);
	clear_facts(facts);
	if (wanted && pc_event_tgid(event))
		read_facts(pc_event_tgid(event), wanted, facts);
}

/* Stops when the only process that is of interest has exited: no event is about it any more. */
static void notice_end(const struct pc_event *event)
{
	bool may_be = event->kind == PC_EVENT_OVERRUN ||
		      (event->kind == PC_EVENT_EXIT && event->data.exit.tgid == options.pid);
	if (options.pid && may_be && pc_process_alive(options.pid) <= 0)
		stop(0);
}

/* For --metrics. A thread is no process: the process exits when its first thread does, or soon after. */
static void count(const struct pc_event *event, const char *exec_name)
{
	const union pc_event_data *data = &event->data;
	count_event(event->kind);
	if (event->kind == PC_EVENT_OVERRUN)
		count_overrun(lost_reason(event));
	if (event->kind == PC_EVENT_FORK && data->fork.child_pid == data->fork.child_tgid)
		count_deed(FORKED, name_of(data->fork.child_pid));
	if (event->kind == PC_EVENT_EXEC)
		count_deed(EXECUTED, exec_name);
	if (event->kind != PC_EVENT_EXIT || data->exit.pid != data->exit.tgid)
		return;
	const char *name = name_of(data->exit.pid);
	count_deed(EXITED, name);
	if (data->exit.exit_code)
		count_deed(FAILED, name);
}

static void take(const struct pc_event *event, struct program *program)
{
	static struct facts others;
	bool exec = event->kind == PC_EVENT_EXEC;
	pid_t pid = who(event);
	if (event->kind > PC_EVENT_UNKNOWN)
		return;
	struct task old = before(pid);
	learn(event, program->name);
	if (options.metrics)
		count(event, program->name);
	if (options.cgroup && event->kind == PC_EVENT_FORK)
		inherit_cgroup(&event->data.fork);
	if (options.events & 1u << event->kind || event->kind == PC_EVENT_OVERRUN) {
		struct facts *facts = exec ? &program->facts : &others;
		const char *name = !exec ? (pid ? name_of(pid) : NULL) : *program->name ? program->name : NULL;
		if (!exec)
			read_others(event, facts);
		if (pid && (options.show & SHOW_USER || options.by_user))
			facts->owner = owner_of(pid);
		if (is_wanted(event, name, facts))
			show(event, &old, name, facts);
	}
	notice_end(event);
}

static void print_events(void)
{
	for (size_t i = 0; i < event_count; i++)
		take(&events[i], &programs[i]);
	event_count = 0;
}

/* Returns whether nothing but EXECs has been received. */
static bool receive_events(void)
{
	bool only_execs = true;
	size_t first = event_count;
	int count = pc_recv_many(pc, events + event_count, BATCH - event_count, 0);
	if (count < 0 && count != -EINTR) {
		complain("cannot receive events", pc_strerror(count));
		stop(1);
	}
	for (; count > 0; count--, event_count++) {
		if (events[event_count].kind == PC_EVENT_EXEC)
			read_program(&events[event_count], &programs[event_count]);
		else
			only_execs = false;
	}
	for (size_t i = first; wanted_facts() && i < event_count; i++)
		if (events[i].kind == PC_EVENT_EXEC)
			read_facts(events[i].data.exec.tgid, wanted_facts(), &programs[i].facts);
	return only_execs;
}

static void drain_events(void)
{
	/* A batch that is not full was the last: the descriptor stays readable if another event comes. */
	bool full = true;
	for (int batch = 0; running && full && batch < BATCHES_PER_WAKE_UP; batch++) {
		bool only_execs = receive_events();
		full = event_count == BATCH;
		if (!only_execs || event_count >= FEW)
			print_events();
	}
	if (!running || flush_due_ns() <= now_ns())
		print_events();
}

static uint64_t next_printing_ns(void)
{
	return event_count ? flush_due_ns() : NEVER;
}

/* Whether the filter of the previous run, by which the kernel has filled the queue, left out what this run shows. */
static bool wants_more(const struct pc_options *subscription, const struct legacy *before)
{
	return subscription->events & ~before->events || before->flags & ~subscription->flags & PC_FILTER_NO_THREADS;
}

/* lost: 0 if it is unknown. */
static void report_gap(const struct legacy *before, uint32_t lost, uint32_t reason)
{
	events[event_count++] = (struct pc_event){
		.kind = PC_EVENT_OVERRUN,
		.timestamp_ns = now_ns(),
		.data.overrun = { .lost = lost, .since_ns = before->since_ns, .reason = reason },
	};
}

/*
 * Continues with the socket of the previous run, in which the kernel has queued the events since then. Events are
 * missing if that run was killed after it had received them, or if its filter left out what this run is to show.
 * Without that socket, subscribes a new one; if there was a previous run, reports that events may be missing.
 */
static int succeed(struct pc_options *subscription)
{
	struct legacy before;
	if (!inherit(&before))
		return pc_open(&pc, subscription);
	subscription->flags |= PC_OPEN_SUBSCRIBED;
	uint32_t dropped = dropped_by(before.fd);
	int error = pc_open_fd(&pc, before.fd, subscription);
	subscription->flags &= ~PC_OPEN_SUBSCRIBED;
	if (error < 0) {
		disinherit(&before);
		report_gap(&before, 0, RESTARTED);
		return pc_open(&pc, subscription);
	}
	/* The library reports what the kernel drops from now on. Report here what it dropped since the last report. */
	uint32_t lost = dropped - (uint32_t)before.dropped;
	bool unknown = !before.complete || dropped != dropped_by(before.fd) || wants_more(subscription, &before);
	lost_between = unknown ? 0 : lost;
	if (unknown)
		report_gap(&before, 0, RESTARTED);
	else if (lost)
		report_gap(&before, lost, PC_LOST_QUEUE);
	legacy.dropped = dropped;
	return 0;
}

static int open_events(void)
{
	const uint32_t naming = PC_MASK_FORK | PC_MASK_EXEC | PC_MASK_COMM;
	struct pc_options subscription = PC_OPTIONS_INIT;
	subscription.events = options.events;
	if (options.metrics)
		subscription.events |= naming | PC_MASK_EXIT;
	/* A task that exits can often not be read from /proc any more: its name has to be followed. */
	if (options.events & (PC_MASK_EXIT | PC_MASK_UID | PC_MASK_GID | PC_MASK_COMM))
		subscription.events |= naming;
	if (options.events & (PC_MASK_UID | PC_MASK_GID) || options.show & SHOW_USER || options.by_user) {
		subscription.events |= PC_MASK_FORK | PC_MASK_UID | PC_MASK_GID;
		ids_tracked = true;
	}
	/* A cgroup of a process that is gone is that of its parent; the end of a process ends --pid. */
	subscription.events |= options.cgroup ? (uint32_t)PC_MASK_FORK : 0;
	subscription.events |= options.pid ? (uint32_t)PC_MASK_EXIT : 0;
	if (options.name)
		subscription.events |= naming;
	names_tracked = (subscription.events & naming) == naming;
	if (options.no_threads)
		subscription.flags = PC_FILTER_NO_THREADS;
	int error = succeed(&subscription);
	legacy.since_ns = now_ns();
	legacy.events = subscription.events;
	legacy.flags = subscription.flags;
	legacy.fd = error < 0 ? -1 : pc_fd(pc);
	if (error == 0)
		bequeath(&legacy);
	if (options.pid && pc_process_alive(options.pid) <= 0)
		stop(0); /* no event will report its exit */
	return error < 0 ? error : legacy.fd;
}

static int check_events(void)
{
	return pc_check(pc);
}

static void get_event_stats(struct pc_stats *stats)
{
	pc_get_stats(pc, stats, sizeof(*stats));
	stats->lost += lost_between;
}

static void close_events(bool complete)
{
	struct pc_stats stats;
	pc_get_stats(pc, &stats, sizeof(stats));
	legacy.dropped += stats.lost;
	/* The report of a repaired deafness is in this handle, not in the socket. */
	legacy.complete = complete && deaf_reports >= stats.repaired;
	/* If the service manager keeps the socket, leave the subscription: pc_close() would end it. */
	if (!bequeath(&legacy))
		pc_close(pc);
}

const struct view event_view = {
	.open = open_events,
	.check = check_events,
	.drain = drain_events,
	.get_stats = get_event_stats,
	.wake_ns = next_printing_ns,
	.close = close_events,
};
