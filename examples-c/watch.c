/*
 * Shows the process events of the whole machine, as text or as JSON, until Ctrl-C: see --help.
 *
 * What an event does not say (names, command lines, old ids) is read from /proc, which may be ahead
 * of the event. What is gone there is remembered from earlier events, in tables of fixed size, or
 * is shown as unknown. Nothing is guessed.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <locale.h>
#include <poll.h>
#include <proc_connector.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>
#include <wctype.h>

enum { BATCH = 64, BATCHES_PER_WAKE_UP = 16, CHECK_MS = 1000, GRACE_MS = 50 };
enum { TASKS = 8192, ENDINGS = 512, CMDLINE_MAX = 4096 };
enum { DETAILS = 54, PIPE_COLUMNS = 256, MAX_COLUMNS = 1000, SAFE = MAX_COLUMNS * MB_LEN_MAX + 8 };

#define NS_PER_S UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)
#define NEVER UINT64_MAX

/* ---- Options ---- */

static struct {
	uint32_t events; /* to be shown: PC_MASK_* bits */
	bool no_threads, failed, json, stats;
	double seconds;
	uint64_t count;
} options = { .events = PC_MASK_ALL | PC_MASK_UNKNOWN };

static const char HELP[] =
	"Usage: watch [OPTION]...\n"
	"Shows the process events of the whole machine as they happen, until Ctrl-C.\n"
	"\n"
	"  --events LIST  only these: fork,exec,exit,uid,gid,sid,ptrace,comm,coredump,unknown; or all\n"
	"  --no-threads   only the events of processes, not of their other threads\n"
	"  --failed       only processes that ended with a status other than 0, or by a signal,\n"
	"                 each when its last thread has gone\n"
	"  --json         one JSON object per line\n"
	"  --duration S   stop after S seconds, such as 2.5\n"
	"  --count N      stop after N events shown\n"
	"  --stats        totals at the end: on stderr; with --json on stdout, the last object\n"
	"  --help, --version\n"
	"\n"
	"When events are lost, an overrun says how many, and since when. To name what ends, and to tell\n"
	"old ids, watch also listens to forks and execs that it does not show.\n"
	"Text: control characters and invalid bytes become \\n, \\x1b and the like, a backslash \\\\;\n"
	"colours on a terminal only, and not if NO_COLOR is set.\n"
	"JSON: each byte of a name or argument that is not UTF-8 becomes U+FFFD; what is unknown is\n"
	"null; cmdline has at most 4096 bytes, and cmdline_truncated is true if that was not all.\n"
	"Exit status: 0: stopped; 1: events cannot be had, or not be written; 2: bad options.\n";

__attribute__((format(printf, 1, 2), noreturn)) static void bad_usage(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fputs("watch: ", stderr);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputs("\nTry 'watch --help'.\n", stderr);
	exit(2);
}

static void fail(const char *what)
{
	fprintf(stderr, "watch: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint32_t parse_event(const char *name, size_t length)
{
	if (length == 3 && memcmp(name, "all", 3) == 0)
		return PC_MASK_ALL | PC_MASK_UNKNOWN;
	for (uint32_t kind = PC_EVENT_FORK; kind <= PC_EVENT_UNKNOWN; kind++) {
		const char *known = pc_event_name(kind);
		if (kind == PC_EVENT_OVERRUN)
			continue; /* no choice: it is always shown */
		if (strlen(known) == length && memcmp(name, known, length) == 0)
			return 1u << kind;
	}
	bad_usage("--events: '%.*s' is none", (int)length, name);
}

static uint32_t parse_events(const char *list)
{
	uint32_t events = 0;
	for (size_t length;; list += length + 1) {
		length = strcspn(list, ",");
		events |= parse_event(list, length);
		if (!list[length])
			return events;
	}
}

/* Only of these characters, because strtod() takes signs, spaces, exponents, infinity. */
static double parse_number(const char *option, const char *text, const char *characters)
{
	char *end;
	double number = strtod(text, &end);
	if (!*text || text[strspn(text, characters)] || *end || !(number > 0 && number < 1e9))
		bad_usage("--%s: '%s' is no number above 0 and below 1000000000", option, text);
	return number;
}

static void print_and_exit(const char *text)
{
	if (fputs(text, stdout) < 0 || fflush(stdout) != 0)
		fail("stdout");
	exit(0);
}

static void parse_options(int argc, char **argv)
{
	static const struct option LONG[] = {
		{ "events", required_argument, NULL, 'e' },
		{ "no-threads", no_argument, NULL, 't' },
		{ "failed", no_argument, NULL, 'f' },
		{ "json", no_argument, NULL, 'j' },
		{ "duration", required_argument, NULL, 'd' },
		{ "count", required_argument, NULL, 'c' },
		{ "stats", no_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ NULL, 0, NULL, 0 },
	};
	bool chosen = false;
	char version[64];
	for (int option; (option = getopt_long(argc, argv, "", LONG, NULL)) != -1;) {
		switch (option) {
		case 'e': options.events = parse_events(optarg); chosen = true; break;
		case 't': options.no_threads = true; break;
		case 'f': options.failed = true; break;
		case 'j': options.json = true; break;
		case 'd': options.seconds = parse_number("duration", optarg, ".0123456789"); break;
		case 'c': options.count = (uint64_t)parse_number("count", optarg, "0123456789"); break;
		case 's': options.stats = true; break;
		case 'h': print_and_exit(HELP); break;
		case 'v':
			snprintf(version, sizeof(version), "watch (proc_connector %u.%u.%u)\n",
				 pc_version() >> 16, pc_version() >> 8 & 0xff, pc_version() & 0xff);
			print_and_exit(version);
			break;
		default: bad_usage("cannot understand the options"); /* getopt has said which */
		}
	}
	if (optind < argc)
		bad_usage("unexpected argument '%s'", argv[optind]);
	if (options.failed && chosen)
		bad_usage("--failed and --events exclude each other");
	if (options.failed)
		options.events = PC_MASK_EXIT;
}

/* ---- Names, ids, times ---- */

struct ids {
	bool known;
	uint32_t real, effective;
};

/* What is known of a task. Its pid chooses its place, and displaces who was there. */
struct task {
	pid_t pid;
	bool named;
	char comm[16];
	struct ids uid, gid;
};

static struct task tasks[TASKS];
static bool names_tracked; /* whether all events that change a name are received */
static uint64_t wall_offset_ns; /* CLOCK_REALTIME - CLOCK_MONOTONIC */

static struct task *task_of(pid_t pid)
{
	struct task *task = &tasks[(uint32_t)pid % TASKS];
	if (task->pid != pid)
		*task = (struct task){ .pid = pid };
	return task;
}

/* Returns how many bytes it has read and terminated; 0: none, or there is no such task. */
static size_t read_proc(pid_t pid, const char *file, char *buffer, size_t size)
{
	char path[48];
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	for (ssize_t got = 1; fd >= 0 && got > 0; length += got > 0 ? (size_t)got : 0)
		got = read(fd, buffer + length, size - 1 - length);
	if (fd >= 0)
		close(fd);
	buffer[length] = '\0';
	return length;
}

/* Returns NULL if nobody can tell any more. */
static const char *name_of(pid_t pid)
{
	struct task *task = task_of(pid);
	char comm[80]; /* kernel workers have long ones */
	size_t length;
	if (!(task->named && names_tracked) && (length = read_proc(pid, "comm", comm, sizeof(comm)))) {
		comm[length - 1] = '\0'; /* a line break */
		snprintf(task->comm, sizeof(task->comm), "%.15s", comm);
		task->named = true;
	}
	return task->named ? task->comm : NULL;
}

static void read_ids(struct task *task)
{
	char status[4096];
	read_proc(task->pid, "status", status, sizeof(status));
	/* The name comes before them, and its line breaks are escaped. */
	const char *uid = strstr(status, "\nUid:"), *gid = strstr(status, "\nGid:");
	struct ids *u = &task->uid, *g = &task->gid;
	u->known = uid && sscanf(uid, "\nUid: %u %u", &u->real, &u->effective) == 2;
	g->known = gid && sscanf(gid, "\nGid: %u %u", &g->real, &g->effective) == 2;
}

static void learn(const struct pc_event *event)
{
	const union pc_event_data *data = &event->data;
	struct task child, *task;
	bool thread;
	switch (event->kind) {
	case PC_EVENT_FORK:
		thread = data->fork.child_pid != data->fork.child_tgid;
		task = task_of(thread ? data->fork.child_tgid : data->fork.parent_pid);
		name_of(task->pid);
		if (options.events & (PC_MASK_UID | PC_MASK_GID) && !task->uid.known)
			read_ids(task);
		child = *task;
		child.pid = data->fork.child_pid;
		*task_of(child.pid) = child;
		break;
	case PC_EVENT_EXEC:
		task_of(data->exec.pid)->named = false;
		name_of(data->exec.pid); /* while it lives */
		break;
	case PC_EVENT_COMM:
		task = task_of(data->comm.pid);
		memcpy(task->comm, data->comm.comm, sizeof(task->comm));
		task->named = true;
		break;
	case PC_EVENT_UID:
		task_of(data->uid.pid)->uid = (struct ids){ true, data->uid.ruid, data->uid.euid };
		break;
	case PC_EVENT_GID:
		task_of(data->gid.pid)->gid = (struct ids){ true, data->gid.rgid, data->gid.egid };
		break;
	case PC_EVENT_OVERRUN: /* what was lost may have changed everything */
		memset(tasks, 0, sizeof(tasks));
		break;
	default:
		break;
	}
}

static const char *signal_name(int number, char buffer[16])
{
	static const char *const NAMES[] = {
		[SIGHUP] = "HUP",   [SIGINT] = "INT",	    [SIGQUIT] = "QUIT", [SIGILL] = "ILL",
		[SIGTRAP] = "TRAP", [SIGABRT] = "ABRT",	    [SIGBUS] = "BUS",	[SIGFPE] = "FPE",
		[SIGKILL] = "KILL", [SIGUSR1] = "USR1",	    [SIGSEGV] = "SEGV", [SIGUSR2] = "USR2",
		[SIGPIPE] = "PIPE", [SIGALRM] = "ALRM",	    [SIGTERM] = "TERM", [SIGXCPU] = "XCPU",
		[SIGXFSZ] = "XFSZ", [SIGVTALRM] = "VTALRM", [SIGPROF] = "PROF", [SIGPOLL] = "POLL",
		[SIGPWR] = "PWR",   [SIGSYS] = "SYS",	    [SIGSTKFLT] = "STKFLT",
	};
	bool named = number < (int)(sizeof(NAMES) / sizeof(*NAMES)) && NAMES[number];
	snprintf(buffer, 16, named ? "SIG%s" : "signal %.0s%d", named ? NAMES[number] : "", number);
	return buffer;
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* The local time of day; for JSON date and time in UTC. */
static const char *wall_time(uint64_t timestamp_ns, char buffer[40])
{
	uint64_t wall_ns = timestamp_ns + wall_offset_ns;
	time_t seconds = (time_t)(wall_ns / NS_PER_S);
	struct tm tm;
	size_t length = options.json ? strftime(buffer, 32, "%FT%T", gmtime_r(&seconds, &tm))
				     : strftime(buffer, 32, "%T", localtime_r(&seconds, &tm));
	snprintf(buffer + length, 8, ".%03u%s", (unsigned)(wall_ns / NS_PER_MS % 1000),
		 options.json ? "Z" : "");
	return buffer;
}

/* ---- Text from strangers ---- */

/*
 * Makes the first character of the text safe for a terminal: what this locale cannot print, or what
 * has no width, is shown as its bytes. Returns how many bytes it took.
 */
static size_t escape(const char *text, size_t length, char *safe, size_t *columns)
{
	wchar_t wide;
	mbstate_t state = { 0 };
	size_t size = mbrtowc(&wide, text, length, &state);
	if (size - 1 < length && *text != '\\' && iswprint((wint_t)wide) && wcwidth(wide) > 0) {
		memcpy(safe, text, size);
		safe[size] = '\0';
		*columns = (size_t)wcwidth(wide);
		return size;
	}
	switch (*text) {
	case '\\': strcpy(safe, "\\\\"); break;
	case '\n': strcpy(safe, "\\n"); break;
	case '\t': strcpy(safe, "\\t"); break;
	default: snprintf(safe, 5, "\\x%02x", (unsigned char)*text); break;
	}
	*columns = strlen(safe);
	return 1;
}

/* Escapes what fits, with an ellipsis if that is not all. Returns the columns it takes. */
static size_t make_safe(const char *text, size_t length, size_t max_columns, char safe[SAFE])
{
	const char *ellipsis = MB_CUR_MAX > 1 ? "…" : "...";
	size_t reserve = MB_CUR_MAX > 1 ? 1 : 3, used = 0, end = 0, cut = 0, columns;
	for (size_t size; length; text += size, length -= size) {
		size = escape(text, length, safe + end, &columns);
		if (used + columns > max_columns) {
			strcpy(safe + cut, ellipsis);
			return max_columns;
		}
		used += columns;
		end += strlen(safe + end);
		if (used + reserve <= max_columns)
			cut = end;
	}
	safe[end] = '\0';
	return used;
}

/* Returns the bytes of the UTF-8 character at the beginning; 0: there is none. */
static size_t utf8_size(const char *text, size_t length)
{
	unsigned char c[4] = { 0 };
	memcpy(c, text, length < 4 ? length : 4);
	size_t size = c[0] < 0x80 ? 1 : c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : 4;
	for (size_t i = 1; i < size; i++)
		if ((c[i] & 0xc0) != 0x80)
			return 0;
	bool overlong = (size == 2 && c[0] < 0xc2) || (c[0] == 0xe0 && c[1] < 0xa0) ||
			(c[0] == 0xf0 && c[1] < 0x90);
	bool beyond = (c[0] == 0xed && c[1] > 0x9f) || (c[0] == 0xf4 && c[1] > 0x8f) || c[0] > 0xf4;
	return overlong || beyond ? 0 : size;
}

static void json_string(const char *text, size_t length)
{
	putchar('"');
	for (size_t size; length; text += size, length -= size) {
		size = utf8_size(text, length);
		if (*text == '"' || *text == '\\')
			printf("\\%c", *text);
		else if ((unsigned char)*text < 0x20 || *text == 0x7f)
			printf("\\u%04x", *text);
		else if (*text == '\xc2' && size && text[1] < '\xa0')
			printf("\\u%04x", (unsigned char)text[1]); /* controls, too */
		else if (size)
			fwrite(text, 1, size, stdout);
		else
			fputs("\\ufffd", stdout);
		size += !size;
	}
	putchar('"');
}

/* ---- Output ---- */

static bool running = true, output_gone;
static int result, signals = -1;
static uint64_t deadline_ns = NEVER;

/* A reader that has ceased to read must not keep us from our signals and from our deadline. */
static bool may_write(void)
{
	if (output_gone)
		return false;
	struct pollfd fds[] = { { STDOUT_FILENO, POLLOUT, 0 }, { signals, POLLIN, 0 } };
	do {
		poll(fds, 2, 100);
		if (fds[0].revents & (POLLERR | POLLHUP))
			break;
		if (fds[0].revents)
			return true; /* of a pipe: 4096 bytes, which is stdout's buffer */
	} while (!fds[1].revents && clock_ns(CLOCK_MONOTONIC) < deadline_ns);
	running = false;
	output_gone = true;
	return false;
}

static void flush(void)
{
	errno = EIO;
	if (!may_write() || (fflush(stdout) == 0 && !ferror(stdout)))
		return;
	running = false;
	output_gone = true;
	if (errno != EPIPE) {
		fprintf(stderr, "watch: stdout: %s\n", strerror(errno));
		result = 1;
	}
}

/* ---- One event: fields with a JSON key each and, if text shows them, a format ---- */

static bool on_terminal, coloured;
static uint64_t shown[PC_EVENT_UNKNOWN + 1], total_shown;

static void text(const char *words)
{
	if (!options.json)
		fputs(words, stdout);
}

static void number(const char *key, const char *format, bool known, long long value)
{
	if (options.json)
		printf(known ? ",\"%s\":%lld" : ",\"%s\":null", key, value);
	else if (format && known)
		printf(format, value);
}

static void string(const char *key, const char *format, const char *value)
{
	char safe[SAFE];
	if (options.json) {
		printf(value ? ",\"%s\":" : ",\"%s\":null", key);
		if (value)
			json_string(value, strlen(value));
	} else if (format && value) {
		make_safe(value, strlen(value), MAX_COLUMNS, safe);
		printf(format, safe);
	}
}

static void boolean(const char *key, bool known, bool value)
{
	if (options.json)
		printf(",\"%s\":%s", key, known ? value ? "true" : "false" : "null");
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
	/* If there is no change, /proc was ahead when the old ones were read. */
	bool known = old->known && (old->real != real || old->effective != effective);
	change(real_key, known, old->real, real);
	text(", ");
	change(effective_key, known, old->effective, effective);
}

static void command_line(pid_t tgid)
{
	char line[CMDLINE_MAX + 2], safe[SAFE];
	size_t length = read_proc(tgid, "cmdline", line, sizeof(line)), columns = PIPE_COLUMNS;
	bool cut = length > CMDLINE_MAX;
	struct winsize window;
	if (!options.json) {
		if (on_terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col)
			columns = window.ws_col > DETAILS + 20 ? (size_t)window.ws_col - DETAILS : 20;
		length -= length && !line[length - 1];
		for (size_t i = 0; i < length; i++)
			line[i] = line[i] ? line[i] : ' ';
		make_safe(line, length, columns < MAX_COLUMNS ? columns : MAX_COLUMNS, safe);
		fputs(length ? safe : "?", stdout);
		return;
	}
	length -= cut;
	fputs(length ? ",\"cmdline\":[" : ",\"cmdline\":null", stdout);
	for (size_t at = 0, size; at < length; at += size + 1) {
		size = strnlen(line + at, length - at);
		fputs(at ? "," : "", stdout);
		json_string(line + at, size);
	}
	fputs(length ? "]" : "", stdout);
	if (cut)
		boolean("cmdline_truncated", true, true);
}

/* alive: what pc_process_alive() has said. known: whether the code is that of the process. */
static void exit_details(const struct pc_event_exit *exit, int alive, bool known)
{
	int code = exit->exit_code;
	bool leader = exit->pid == exit->tgid, killed = known && WIFSIGNALED(code);
	char name[16];
	number("exit_code", NULL, known, code);
	number("exit_signal", NULL, true, exit->exit_signal);
	number("exit_status", "status %lld", known && WIFEXITED(code), WEXITSTATUS(code));
	number("signal", NULL, killed, WTERMSIG(code));
	string("signal_name", "%s", killed ? signal_name(WTERMSIG(code), name) : NULL);
	boolean("core_dumped", known, killed && WCOREDUMP(code));
	boolean("process_ended", alive >= 0, alive == 0);
	text(killed && WCOREDUMP(code) ? ", core dumped" : known ? "" : "status unknown");
	if (leader && alive > 0)
		text(alive == 2 ? ", threads live on" : ", process lives on");
	parent(leader ? ", parent %lld" : NULL, exit->parent_pid, exit->parent_tgid);
}

/* before: what was known of the task before the event. */
static void details(const struct pc_event *event, const struct task *before, int alive, bool known)
{
	const union pc_event_data *data = &event->data;
	bool thread, deaf;
	pid_t tracer;
	char time[40];
	switch (event->kind) {
	case PC_EVENT_FORK:
		thread = data->fork.child_pid != data->fork.child_tgid;
		text(thread ? "thread" : "");
		parent(thread ? NULL : "parent %lld", data->fork.parent_pid, data->fork.parent_tgid);
		break;
	case PC_EVENT_EXEC:
		command_line(data->exec.tgid);
		break;
	case PC_EVENT_EXIT:
		exit_details(&data->exit, alive, known);
		break;
	case PC_EVENT_UID:
		changes("ruid", "euid", &before->uid, data->uid.ruid, data->uid.euid);
		break;
	case PC_EVENT_GID:
		changes("rgid", "egid", &before->gid, data->gid.rgid, data->gid.egid);
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
			string("old_comm", NULL, before->named ? before->comm : NULL);
		else
			string(NULL, "now %s", data->comm.comm);
		break;
	case PC_EVENT_COREDUMP:
		parent("parent %lld", data->coredump.parent_pid, data->coredump.parent_tgid);
		break;
	case PC_EVENT_OVERRUN:
		deaf = data->overrun.reason == PC_LOST_DEAF;
		number("lost", "lost %lld events", !deaf, (long long)data->overrun.lost);
		text(deaf ? "lost an unknown number of events" : "");
		string("since", " since %s", wall_time(data->overrun.since_ns, time));
		number("since_ns", NULL, true, (long long)data->overrun.since_ns);
		string("reason", deaf ? ": the kernel was %s" : NULL, deaf ? "deaf" : "queue");
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
	/* All others that have ids begin with the same ones. */
	return pc_event_tgid(event) ? event->data.exec.pid : 0;
}

static void columns(const struct pc_event *event, pid_t pid, const char *name, bool bad)
{
	static const char *const COLOURS[PC_EVENT_UNKNOWN + 1] = {
		[PC_EVENT_EXEC] = "\033[1m", [PC_EVENT_EXIT] = "\033[2m",
		[PC_EVENT_UID] = "\033[33m", [PC_EVENT_GID] = "\033[33m",
		[PC_EVENT_PTRACE] = "\033[35m", [PC_EVENT_COREDUMP] = "\033[31m",
		[PC_EVENT_OVERRUN] = "\033[1;7;31m",
	};
	const char *colour = bad ? "\033[31m" : COLOURS[event->kind];
	char time[40], safe[SAFE];
	size_t width = make_safe(name, strlen(name), MAX_COLUMNS, safe);
	printf("%s%s %-8s ", coloured && colour ? colour : "", wall_time(event->timestamp_ns, time),
	       pc_event_name(event->kind));
	if (pid)
		printf("%7d %7d ", (int)pc_event_tgid(event), (int)pid);
	else
		printf("%7s %7s ", "-", "-");
	printf("%s%*s", safe, width < 15 ? 16 - (int)width : 1, "");
}

static void show(const struct pc_event *event, const struct task *before, int alive, bool known)
{
	bool bad = event->kind == PC_EVENT_EXIT && (event->data.exit.exit_code || !known);
	bool fork = event->kind == PC_EVENT_FORK;
	pid_t pid = who(event);
	const char *name = pid ? name_of(pid) : NULL;
	char time[40];
	if ((options.count && total_shown == options.count) || !may_write())
		return;
	if (!options.json) {
		if (event->kind == PC_EVENT_COMM) /* the details show the new one */
			name = before->named ? before->comm : NULL;
		columns(event, pid, name ? name : pid ? "?" : "-", bad);
	} else {
		printf("{\"event\":\"%s\",\"time\":\"%s\",\"timestamp_ns\":%llu,\"cpu\":%u,\"seq\":%u",
		       pc_event_name(event->kind), wall_time(event->timestamp_ns, time),
		       (unsigned long long)event->timestamp_ns, event->cpu, event->seq);
	}
	if (options.json && pid) {
		number(fork ? "child_pid" : "pid", NULL, true, pid);
		number(fork ? "child_tgid" : "tgid", NULL, true, pc_event_tgid(event));
		string("comm", NULL, event->kind == PC_EVENT_COMM ? event->data.comm.comm : name);
	}
	details(event, before, alive, known);
	puts(options.json ? "}" : coloured ? "\033[m" : "");
	shown[event->kind]++;
	if (++total_shown == options.count)
		running = false;
}

static void total(const char *key, uint64_t value)
{
	if (options.json)
		printf(",\"%s\":%llu", key, (unsigned long long)value);
	else
		fprintf(stderr, " %s %llu", key, (unsigned long long)value);
}

static void show_totals(const struct pc_connector *pc, uint64_t duration_ns)
{
	struct pc_stats stats;
	char time[40];
	pc_get_stats(pc, &stats, sizeof(stats));
	if (options.json)
		printf("{\"event\":\"stats\",\"time\":\"%s\"", wall_time(clock_ns(CLOCK_MONOTONIC), time));
	else
		fputs("watch:", stderr);
	for (uint32_t kind = PC_EVENT_FORK; kind <= PC_EVENT_UNKNOWN; kind++)
		total(pc_event_name(kind), shown[kind]);
	total("shown", total_shown);
	total("duration_ms", duration_ns / NS_PER_MS);
	total("received", stats.received);
	total("lost", stats.lost);
	fputs(options.json ? "}\n" : "\n", options.json ? stdout : stderr);
}

/* ---- --failed: the ends of processes ----
 *
 * After every EXIT /proc tells whether the process has ended. Where only its leader has, a pidfd
 * tells when the last thread has. The codes of the EXITs from then to a moment after the end, since
 * they may come late, are compared: if they agree, that is the status. If they do not (a leader may
 * end first, with a code of its own), only newer kernels tell the status. So neither
 * PC_FILTER_NO_THREADS nor PC_FILTER_NONZERO_EXIT would do.
 */
struct ending {
	struct pc_event event; /* of the leader, if its EXIT came */
	struct task task;
	int pidfd;
	bool differs;
	uint64_t ended_ns; /* when that was seen */
};

static struct ending endings[ENDINGS];
static size_t ending_count;
static bool endings_wait;
static int epoll = -1;

/* Looks for the status of a process whose threads do not agree. */
static bool find_status(const struct ending *ending, int *code)
{
	enum { WITH_EXIT = 1 << 3 }; /* PIDFD_INFO_EXIT and its struct, since Linux 6.15 */
	struct {
		uint64_t mask, cgroup;
		uint32_t ids[11];
		int32_t exit_code;
	} info = { .mask = WITH_EXIT };
	char stat[1024];
	if (ioctl(ending->pidfd, _IOWR(0xff, 11, info), &info) == 0 && info.mask & WITH_EXIT) {
		*code = info.exit_code;
		return true;
	}
	/* A zombie has it as the last field, but on older kernels that is the leader's own code. */
	read_proc(ending->event.data.exit.tgid, "stat", stat, sizeof(stat));
	const char *state = strrchr(stat, ')'), *last = strrchr(stat, ' ');
	if (!state || state[2] != 'Z' || atoi(last) == *code)
		return false;
	*code = atoi(last);
	return true;
}

static void finish(struct ending *ending)
{
	struct pc_event_exit *exit = &ending->event.data.exit;
	bool known = !ending->differs || find_status(ending, &exit->exit_code);
	if (ending->pidfd >= 0)
		close(ending->pidfd);
	if (!name_of(exit->tgid))
		*task_of(exit->tgid) = ending->task;
	if (!known || exit->exit_code)
		show(&ending->event, &ending->task, 0, known);
	memmove(ending, ending + 1, (size_t)(&endings[--ending_count] - ending) * sizeof(*ending));
}

/* Those that ended until then. Returns whether others have ended since. */
static bool finish_endings(uint64_t until_ns)
{
	bool more = false;
	for (size_t i = 0; i < ending_count;) {
		more |= endings[i].ended_ns > until_ns && endings[i].ended_ns != NEVER;
		if (endings[i].ended_ns <= until_ns)
			finish(&endings[i]);
		else
			i++;
	}
	return more;
}

static void last_thread_ended(int pidfd)
{
	epoll_ctl(epoll, EPOLL_CTL_DEL, pidfd, NULL);
	for (size_t i = 0; i < ending_count; i++)
		if (endings[i].pidfd == pidfd)
			endings[i].ended_ns = clock_ns(CLOCK_MONOTONIC);
}

static void follow(struct ending *ending)
{
	pid_t tgid = ending->event.data.exit.tgid;
	struct epoll_event interest = { .events = EPOLLIN };
	int fd = interest.data.fd = ending->pidfd = (int)syscall(SYS_pidfd_open, tgid, 0);
	if (fd < 0 && errno == ESRCH) {
		ending->ended_ns = clock_ns(CLOCK_MONOTONIC); /* just now */
	} else if (fd < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &interest) < 0) {
		fprintf(stderr, "watch: cannot follow process %d: %s\n", (int)tgid, strerror(errno));
		ending_count--; /* it is the last one */
	}
}

static void take_next_exit(struct ending *ending, const struct pc_event *event)
{
	struct pc_event earlier = ending->event;
	bool by_leader = event->data.exit.pid == event->data.exit.tgid;
	ending->event = *event;
	if (!by_leader)
		ending->event.data = earlier.data;
	if (by_leader && earlier.data.exit.pid == earlier.data.exit.tgid)
		ending->differs = false; /* a new leader: one of the threads, by an exec */
	else if (earlier.data.exit.exit_code != event->data.exit.exit_code)
		ending->differs = true;
}

static void take_exit(const struct pc_event *event)
{
	pid_t tgid = event->data.exit.tgid;
	for (size_t i = 0; i < ending_count; i++) {
		if (endings[i].event.data.exit.tgid == tgid) {
			take_next_exit(&endings[i], event);
			return;
		}
	}
	int alive = pc_process_alive(tgid);
	if (alive == 1)
		return; /* a thread ended; if it was the leader, another one replaced it by an exec */
	if (ending_count == ENDINGS)
		finish_endings(NEVER - 1); /* do not wait for what belongs to them */
	if (ending_count == ENDINGS) {
		fprintf(stderr, "watch: too many to follow, process %d is not\n", (int)tgid);
		return;
	}
	struct ending *ending = &endings[ending_count++];
	name_of(tgid);
	*ending = (struct ending){ *event, *task_of(tgid), -1, false, NEVER };
	if (alive == 2)
		follow(ending);
	else
		ending->ended_ns = clock_ns(CLOCK_MONOTONIC);
}

/* ---- The loop ---- */

static void take(const struct pc_event *event)
{
	if (event->kind > PC_EVENT_UNKNOWN)
		return;
	struct task before = *task_of(who(event));
	learn(event);
	if (!(options.events & 1u << event->kind) && event->kind != PC_EVENT_OVERRUN)
		return;
	if (event->kind != PC_EVENT_EXIT)
		show(event, &before, 0, true);
	else if (options.failed)
		take_exit(event);
	else
		show(event, &before, pc_process_alive(event->data.exit.tgid), true);
}

/* Takes a limited number of events, so that signals get their turn in a flood. */
static void drain(struct pc_connector *pc)
{
	struct pc_event events[BATCH];
	int count = 1;
	for (int batch = 0; running && count > 0 && batch < BATCHES_PER_WAKE_UP; batch++) {
		uint64_t received_until_ns = clock_ns(CLOCK_MONOTONIC);
		count = pc_recv_many(pc, events, BATCH, 0);
		if (count < 0 && count != -EINTR) {
			fprintf(stderr, "watch: %s\n", pc_strerror(count));
			running = false;
			result = 1;
		}
		for (int i = 0; i < count && running; i++)
			take(&events[i]);
		if (count > 0)
			received_until_ns = events[count - 1].timestamp_ns;
		/* All that belongs to older ends has been received. */
		endings_wait = finish_endings(received_until_ns - GRACE_MS * NS_PER_MS);
	}
}

static void wait_until(const struct pc_connector *pc, uint64_t until_ns)
{
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
	int timeout_ms = now_ns < until_ns ? (int)((until_ns - now_ns) / NS_PER_MS) + 1 : 0;
	if (endings_wait && timeout_ms > GRACE_MS)
		timeout_ms = GRACE_MS;
	struct epoll_event ready[16];
	int count = epoll_wait(epoll, ready, 16, timeout_ms);
	for (int i = 0; i < count; i++) {
		int fd = ready[i].data.fd;
		if (fd == signals)
			running = false;
		else if (fd != pc_fd(pc))
			last_thread_ended(fd);
	}
	if (clock_ns(CLOCK_MONOTONIC) >= deadline_ns)
		running = false;
	wall_offset_ns = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC);
}

static void run(struct pc_connector *pc)
{
	uint64_t check_ns = clock_ns(CLOCK_MONOTONIC) + CHECK_MS * NS_PER_MS;
	while (running) {
		wait_until(pc, check_ns < deadline_ns ? check_ns : deadline_ns);
		if (running && clock_ns(CLOCK_MONOTONIC) >= check_ns) {
			/* Any user can make the kernel deaf. If this repairs it, an overrun waits. */
			int error = pc_check(pc);
			if (error < 0)
				fprintf(stderr, "watch: events may be missing: %s\n", pc_strerror(error));
			check_ns = clock_ns(CLOCK_MONOTONIC) + CHECK_MS * NS_PER_MS;
		}
		drain(pc);
		flush();
	}
}

static void add(int fd)
{
	struct epoll_event interest = { .events = EPOLLIN, .data.fd = fd };
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &interest) < 0)
		fail("epoll_ctl");
}

static void prepare(void)
{
	static char buffer[4096];
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	on_terminal = !options.json && isatty(STDOUT_FILENO);
	coloured = on_terminal && !(no_color && *no_color) && !(term && strcmp(term, "dumb") == 0);

	sigset_t stop;
	sigemptyset(&stop);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGTERM);
	sigprocmask(SIG_BLOCK, &stop, NULL);
	signal(SIGPIPE, SIG_IGN);
	signals = signalfd(-1, &stop, SFD_CLOEXEC);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (signals < 0 || epoll < 0)
		fail("signalfd or epoll");
	add(signals);
}

int main(int argc, char **argv)
{
	/* What is opened here must not become stdout or stderr. */
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return 1;
	setlocale(LC_CTYPE, "");
	parse_options(argc, argv);
	prepare();

	const uint32_t naming = PC_MASK_FORK | PC_MASK_EXEC | PC_MASK_COMM;
	struct pc_options subscription = PC_OPTIONS_INIT;
	subscription.events = options.events;
	if (options.events & (PC_MASK_EXIT | PC_MASK_UID | PC_MASK_GID))
		subscription.events |= PC_MASK_FORK | PC_MASK_EXEC;
	names_tracked = (subscription.events & naming) == naming;
	if (options.no_threads && !options.failed)
		subscription.flags = PC_FILTER_NO_THREADS;
	struct pc_connector *pc;
	int error = pc_open(&pc, &subscription);
	if (error < 0) {
		fprintf(stderr, "watch: %s\n", pc_strerror(error));
		return 1;
	}
	add(pc_fd(pc));

	uint64_t start_ns = clock_ns(CLOCK_MONOTONIC);
	if (options.seconds > 0)
		deadline_ns = start_ns + (uint64_t)(options.seconds * 1e9);
	if (on_terminal)
		printf("%-12s %-8s %7s %7s %-15s %s\n", "TIME", "EVENT", "PID", "TID", "COMM", "DETAILS");
	flush();
	run(pc);
	finish_endings(NEVER - 1);
	flush();
	if (options.stats && !output_gone)
		show_totals(pc, clock_ns(CLOCK_MONOTONIC) - start_ns);
	flush();
	pc_close(pc);
	_exit(result); /* exit() would write what could not be written */
}
