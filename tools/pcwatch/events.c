/* The view that shows each event of the kernel. */
#include "pcwatch.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { BATCH = 64, BATCHES_PER_WAKE_UP = 16, FEW = 8 };
enum { CMDLINE_MAX = 4096, DETAILS = 54, PIPE_COLUMNS = 256 };

static struct pc_connector *pc;

/* What an EXEC's process is called. */
struct exec_texts {
	size_t length; /* of the command line; 0 if it is unknown */
	char arguments[CMDLINE_MAX + 2];
	char name[16]; /* empty if it is unknown */
};

/*
 * The events that were received but not printed. A short program is gone a moment after its EXEC. So
 * pcwatch reads the texts of all EXECs before it prints any. It even sleeps before it prints a few EXECs:
 * the less it does at a time, the sooner the scheduler lets it run again.
 */
static struct pc_event events[BATCH];
static struct exec_texts texts[BATCH];
static size_t event_count;

static void read_texts(const struct pc_event *event, struct exec_texts *read)
{
	pid_t pid = event->data.exec.pid, tgid = event->data.exec.tgid;
	if (event->kind != PC_EVENT_EXEC)
		return;
	read->length = read_proc(tgid, "cmdline", read->arguments, sizeof(read->arguments));
	read_name(pid, read->name);
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

static size_t details_columns(void)
{
	struct winsize window;
	if (!on_terminal || ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) < 0 || !window.ws_col)
		return PIPE_COLUMNS;
	return window.ws_col > DETAILS + 20 ? (size_t)window.ws_col - DETAILS : 20;
}

static void command_line(const struct exec_texts *read)
{
	const char *arguments = read->arguments;
	struct line line;
	size_t length = read->length;
	bool cut = length > CMDLINE_MAX;
	length -= cut && options.json;
	line_begin(&line, details_columns());
	if (options.json)
		fputs(length ? ",\"cmdline\":[" : ",\"cmdline\":null", out);
	for (size_t at = 0, size; at < length; at += size + 1) {
		size = strnlen(arguments + at, length - at);
		if (options.json) {
			fputs(at ? "," : "", out);
			json_string(arguments + at, size);
		} else {
			line_add(&line, " ", at > 0);
			line_add_argument(&line, arguments + at, size);
		}
	}
	text(length ? line.text : "?");
	if (options.json && length)
		putc(']', out);
	if (cut)
		boolean("cmdline_truncated", true, true);
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

/* old: the names and ids of the task before the event. read: with an EXEC, what was read. */
static void details(const struct pc_event *event, const struct task *old, const struct exec_texts *read)
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
		command_line(read);
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
		overrun(data->overrun.lost, data->overrun.since_ns, data->overrun.reason == PC_LOST_DEAF);
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

static void show(const struct pc_event *event, const struct task *old, const struct exec_texts *read)
{
	bool fork = event->kind == PC_EVENT_FORK, comm = event->kind == PC_EVENT_COMM;
	pid_t pid = who(event);
	const char *name = event->kind != PC_EVENT_EXEC ? (pid ? name_of(pid) : NULL)
			   : *read->name	        ? read->name
							: NULL;
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
	details(event, old, read);
	end_record(event->kind);
}

static void take(const struct pc_event *event, const struct exec_texts *read)
{
	if (event->kind > PC_EVENT_UNKNOWN)
		return;
	struct task old = before(who(event));
	learn(event, read->name);
	if (options.events & 1u << event->kind || event->kind == PC_EVENT_OVERRUN)
		show(event, &old, read);
}

static void print_events(void)
{
	for (size_t i = 0; i < event_count; i++)
		take(&events[i], &texts[i]);
	event_count = 0;
}

/* Returns whether nothing but EXECs has been received. */
static bool receive_events(void)
{
	bool only_execs = true;
	int count = pc_recv_many(pc, events + event_count, BATCH - event_count, 0);
	if (count < 0 && count != -EINTR) {
		complain("cannot receive events", pc_strerror(count));
		stop(1);
	}
	for (; count > 0; count--, event_count++) {
		read_texts(&events[event_count], &texts[event_count]);
		only_execs &= events[event_count].kind == PC_EVENT_EXEC;
	}
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

static int open_events(void)
{
	const uint32_t naming = PC_MASK_FORK | PC_MASK_EXEC | PC_MASK_COMM;
	struct pc_options subscription = PC_OPTIONS_INIT;
	subscription.events = options.events;
	/* A task that exits can often not be read from /proc any more: its name has to be followed. */
	if (options.events & (PC_MASK_EXIT | PC_MASK_UID | PC_MASK_GID | PC_MASK_COMM))
		subscription.events |= naming;
	names_tracked = (subscription.events & naming) == naming;
	if (options.no_threads)
		subscription.flags = PC_FILTER_NO_THREADS;
	int error = pc_open(&pc, &subscription);
	return error < 0 ? error : pc_fd(pc);
}

static int check_events(void)
{
	return pc_check(pc);
}

static void get_event_stats(struct pc_stats *stats)
{
	pc_get_stats(pc, stats, sizeof(*stats));
}

static void close_events(void)
{
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
