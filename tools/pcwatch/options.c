/* Parses the command line. */
#include "pcwatch.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COMMAND_BYTES = 4096, NAME_MAX_LENGTH = 15, BUFFER_BYTES = 4 << 20, LEAST_BUFFER_BYTES = 128 << 10,
       METRICS_INTERVAL_S = 15, METRICS_TOP = 20, LONGEST_TOP = 100, LONGEST_ADDRESS = 107 };

struct options options = { .events = PC_MASK_ALL | PC_MASK_UNKNOWN, .command_bytes = COMMAND_BYTES,
			   .metrics_interval_ns = METRICS_INTERVAL_S * NS_PER_S, .metrics_top = METRICS_TOP };

/*
 * What messages begin with. A service names the file of its options here, and its log has one line that says what
 * is wrong.
 */
static char origin[NAME_MAX] = NAME;
static const char *options_file;

static void name_origin(void)
{
	options_file = getenv("PCWATCH_OPTIONS_FILE");
	if (options_file)
		snprintf(origin, sizeof(origin), NAME ": %s", options_file);
}

__attribute__((noreturn)) static void suggest_help(void)
{
	if (!options_file)
		fputs("Try '" NAME " --help'.\n", stderr);
	exit(2);
}

__attribute__((format(printf, 1, 0))) static void print_error(const char *format, va_list arguments)
{
	fprintf(stderr, "%s: ", origin);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
}

__attribute__((format(printf, 1, 2), noreturn)) static void bad_usage(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	print_error(format, arguments);
	va_end(arguments);
	suggest_help();
}

/* The option is valid, but this machine does not have the process, user or cgroup that it names. */
__attribute__((format(printf, 2, 3), noreturn)) static void not_there(int status, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	print_error(format, arguments);
	va_end(arguments);
	exit(status);
}

static uint32_t parse_event(const char *name, size_t length)
{
	if (length == 3 && memcmp(name, "all", 3) == 0)
		return PC_MASK_ALL | PC_MASK_UNKNOWN;
	for (uint32_t kind = PC_EVENT_FORK; kind <= PC_EVENT_UNKNOWN; kind++) {
		const char *known = pc_event_name(kind);
		if (kind == PC_EVENT_OVERRUN)
			continue; /* cannot be selected, because overruns are always shown */
		if (strlen(known) == length && memcmp(name, known, length) == 0)
			return 1u << kind;
	}
	bad_usage("--events: unknown event '%.*s': choose from fork, exec, exit, uid, gid, sid, ptrace, comm, coredump, "
		  "unknown and all", (int)length, name);
}

static uint32_t parse_column(const char *name, size_t length)
{
	static const char *const NAMES[] = {
		"user", "parent", "tty", "session", "nspid", "container", "cgroup", "exe", "cwd",
	};
	if (length == 3 && memcmp(name, "all", 3) == 0)
		return SHOW_ALL;
	if (length == 4 && memcmp(name, "none", 4) == 0)
		return 0;
	for (size_t i = 0; i < sizeof(NAMES) / sizeof(*NAMES); i++)
		if (strlen(NAMES[i]) == length && memcmp(name, NAMES[i], length) == 0)
			return 1u << i;
	bad_usage("--show: unknown column '%.*s': choose from user, parent, tty, session, nspid, container, cgroup, exe, "
		  "cwd, all and none", (int)length, name);
}

static uint32_t parse_list(const char *list, uint32_t (*parse)(const char *name, size_t length))
{
	uint32_t bits = 0;
	for (size_t length;; list += length + 1) {
		length = strcspn(list, ",");
		bits |= parse(list, length);
		if (!list[length])
			return bits;
	}
}

/* Accepts only the given characters, because strtod() also takes signs, spaces and exponents. */
static double parse_number(const char *option, const char *text, const char *characters)
{
	char *end;
	double number = strtod(text, &end);
	if (!*text || text[strspn(text, characters)] || *end || !(number > 0 && number < 1e9))
		bad_usage("--%s: '%s' is not a number above 0 and below 1000000000", option, text);
	return number;
}

static pid_t parse_process(const char *option, const char *text)
{
	pid_t pid = (pid_t)parse_number(option, text, "0123456789");
	int alive = pc_process_alive(pid);
	if (alive == -ESRCH)
		not_there(1, "--%s: %d is a thread, not a process", option, (int)pid);
	if (alive == 0)
		not_there(1, "--%s: there is no such process: %d", option, (int)pid);
	return pid;
}

static uid_t parse_user(const char *text)
{
	uid_t uid;
	if (!find_user(text, &uid))
		not_there(2, "--user: there is no user '%s'", text);
	return uid;
}

static const char *parse_cgroup(const char *text)
{
	const char *cgroup = find_cgroup(text);
	if (!cgroup)
		not_there(2, "--cgroup: there is no cgroup '%s': give a path as in /proc/PID/cgroup, or a directory",
			  text);
	return cgroup;
}

/* The kernel keeps the first 15 bytes of a name, so a longer one would never be found. */
static const char *parse_name(const char *text)
{
	if (!*text)
		bad_usage("--name: the pattern is empty");
	if (strlen(text) > NAME_MAX_LENGTH && !strpbrk(text, "*?[\\"))
		bad_usage("--name: names have at most %d bytes: use '%.*s'", NAME_MAX_LENGTH, NAME_MAX_LENGTH, text);
	return text;
}

static void parse_output(const char *text)
{
	static const char SOCKET[] = "unix:";
	options.output = text;
	options.socket = strncmp(text, SOCKET, sizeof(SOCKET) - 1) == 0 ? text + sizeof(SOCKET) - 1 : NULL;
	if (options.socket && (!*options.socket || strlen(options.socket) > LONGEST_ADDRESS))
		bad_usage("--output: the path in '%s' must have 1 to %d bytes", text, LONGEST_ADDRESS);
}

static const char *parse_metrics(const char *text)
{
	if (!*text || text[strlen(text) - 1] == '/')
		bad_usage("--metrics: '%s' is not the name of a file", text);
	return text;
}

static size_t parse_top(const char *text)
{
	double number = parse_number("metrics-top", text, "0123456789");
	if (number > LONGEST_TOP)
		bad_usage("--metrics-top: '%s' is above the maximum, %d", text, LONGEST_TOP);
	return (size_t)number;
}

static size_t parse_buffer(const char *text)
{
	double number = parse_number("drop", text, "0123456789");
	if (number < LEAST_BUFFER_BYTES)
		bad_usage("--drop: '%s' is below the minimum, %d bytes", text, LEAST_BUFFER_BYTES);
	return (size_t)number;
}

static const char *parse_host(const char *text)
{
	if (!*text || strlen(text) > HOST_NAME_MAX)
		bad_usage("--host: the name '%s' must have 1 to %d bytes", text, HOST_NAME_MAX);
	return text;
}

/* argv[0] is the command, if there is one. */
static void check_command(char **argv, bool separated, bool chosen)
{
	if (*argv && !separated)
		bad_usage("unexpected argument '%s': put a command after --", *argv);
	if (separated && !*argv)
		bad_usage("there is no command after --");
	if (options.leader && !*argv)
		bad_usage("--leader needs a command");
	if (*argv && (options.tree || chosen || options.pid || options.family))
		bad_usage("a command cannot be combined with --events, --family, --pid or --tree");
	options.command = *argv ? argv : NULL;
}

static void check_combinations(bool chosen)
{
	bool filtered = options.pid || options.by_user || options.name || options.cgroup;
	if (chosen && (options.ends || options.tree))
		bad_usage("--events cannot be combined with --ends, --failed or --tree");
	if (options.tree && (options.ends || options.json || options.count || options.stats))
		bad_usage("--tree cannot be combined with --ends, --failed, --json, --count or --stats");
	if (options.tree && (options.show || filtered))
		bad_usage("--tree cannot be combined with --show, --user, --cgroup, --name or --pid");
	if (options.family && (options.tree || chosen || options.pid))
		bad_usage("--family cannot be combined with --events, --pid or --tree");
	if (options.tree && (options.buffer_bytes || options.metrics))
		bad_usage("--tree cannot be combined with --drop or --metrics");
	if (options.append && (!options.output || options.socket))
		bad_usage("--append needs the name of a file with --output");
	if (options.host && !options.json)
		bad_usage("--host needs --json");
	if (options.realtime && options.no_hurry)
		bad_usage("--realtime cannot be combined with --no-hurry");
	/* sysctl kernel.sched_rt_runtime_us: a realtime program that never sleeps is stopped 50 ms each second. */
	if (options.realtime && options.spin_ns)
		bad_usage("--realtime cannot be combined with --spin: the kernel would stop " NAME
			  " for 50 ms of each second");
}

__attribute__((format(printf, 1, 2), noreturn)) static void print_and_exit(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	int printed = vprintf(format, arguments);
	va_end(arguments);
	if (printed >= 0 && fflush(stdout) == 0)
		exit(0);
	fprintf(stderr, NAME ": stdout: %s\n", strerror(errno));
	exit(1);
}

void parse_options(int argc, char **argv)
{
	static const char DIGITS[] = "0123456789";
	static const struct option LONG[] = {
		{ "events", required_argument, NULL, 'e' },
		{ "no-threads", no_argument, NULL, 'n' },
		{ "ends", no_argument, NULL, 'E' },
		{ "failed", no_argument, NULL, 'f' },
		{ "tree", optional_argument, NULL, 't' },
		{ "family", required_argument, NULL, 'F' },
		{ "leader", no_argument, NULL, 'l' },
		{ "user", required_argument, NULL, 'u' },
		{ "cgroup", required_argument, NULL, 'g' },
		{ "name", required_argument, NULL, 'N' },
		{ "pid", required_argument, NULL, 'p' },
		{ "show", required_argument, NULL, 'o' },
		{ "cmdline-bytes", required_argument, NULL, 'b' },
		{ "json", no_argument, NULL, 'j' },
		{ "host", optional_argument, NULL, 'H' },
		{ "output", required_argument, NULL, 'O' },
		{ "metrics", required_argument, NULL, 'm' },
		{ "metrics-interval", required_argument, NULL, 'i' },
		{ "metrics-top", required_argument, NULL, 'T' },
		{ "append", no_argument, NULL, 'a' },
		{ "drop", optional_argument, NULL, 'D' },
		{ "duration", required_argument, NULL, 'd' },
		{ "count", required_argument, NULL, 'c' },
		{ "stats", no_argument, NULL, 's' },
		{ "no-hurry", no_argument, NULL, 'w' },
		{ "realtime", no_argument, NULL, 'r' },
		{ "spin", required_argument, NULL, 'S' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ NULL, 0, NULL, 0 },
	};
	bool chosen = false, shown = false;
	name_origin();
	argv[0] = origin; /* which starts the messages of getopt_long() */
	opterr = !options_file;
	for (int option; (option = getopt_long(argc, argv, "+", LONG, NULL)) != -1;) {
		switch (option) {
		case 'e': options.events = parse_list(optarg, parse_event); chosen = true; break;
		case 'n': options.no_threads = true; break;
		case 'E': options.ends = true; break;
		case 'f': options.ends = options.failed = true; break;
		case 't': options.tree = true;
			options.root = optarg ? (pid_t)parse_number("tree", optarg, DIGITS) : 0;
			break;
		case 'F': options.family = parse_process("family", optarg); break;
		case 'l': options.leader = true; break;
		case 'u': options.user = parse_user(optarg); options.by_user = true; break;
		case 'g': options.cgroup = parse_cgroup(optarg); break;
		case 'N': options.name = parse_name(optarg); break;
		case 'p': options.pid = parse_process("pid", optarg); break;
		case 'o': options.show = parse_list(optarg, parse_column); shown = true; break;
		case 'b':
			options.command_bytes = (size_t)parse_number("cmdline-bytes", optarg, DIGITS);
			break;
		case 'j': options.json = true; break;
		case 'H':
			options.host = true;
			options.host_name = optarg ? parse_host(optarg) : NULL;
			break;
		case 'O': parse_output(optarg); break;
		case 'a': options.append = true; break;
		case 'm': options.metrics = parse_metrics(optarg); break;
		case 'i':
			options.metrics_interval_ns =
				(uint64_t)(parse_number("metrics-interval", optarg, ".0123456789") * 1e9);
			break;
		case 'T': options.metrics_top = parse_top(optarg); break;
		case 'D': options.buffer_bytes = optarg ? parse_buffer(optarg) : BUFFER_BYTES; break;
		case 'd': options.seconds = parse_number("duration", optarg, ".0123456789"); break;
		case 'c': options.count = (uint64_t)parse_number("count", optarg, DIGITS); break;
		case 's': options.stats = true; break;
		case 'w': options.no_hurry = true; break;
		case 'r': options.realtime = true; break;
		case 'S': options.spin_ns = (uint64_t)parse_number("spin", optarg, DIGITS) * 1000; break;
		case 'h': print_and_exit("%s%s", HELP_OPTIONS, HELP_OUTPUT);
		case 'v':
			print_and_exit(NAME " (proc_connector %u.%u.%u)\n", pc_version() >> 16,
				       pc_version() >> 8 & 0xff, pc_version() & 0xff);
		default:
			if (options_file)
				bad_usage("'%s' is not an option, or its value is missing: see pcwatch(1)", argv[optind - 1]);
			suggest_help(); /* getopt_long() has written the error */
		}
	}
	check_combinations(chosen);
	check_command(argv + optind, strcmp(argv[optind - 1], "--") == 0, chosen);
	if (options.json && !shown)
		options.show = SHOW_ALL;
}
