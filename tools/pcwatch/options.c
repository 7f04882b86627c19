/* Parses the command line, and prints --help and --version. */
#include "pcwatch.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options options = { .events = PC_MASK_ALL | PC_MASK_UNKNOWN };

static const char HELP[] =
	"Usage: " NAME " [OPTION]...\n"
	"Shows the process events of the whole machine as they happen, until Ctrl-C.\n"
	"\n"
	"  --events LIST  show only these events, separated by commas: fork, exec, exit, uid, gid,\n"
	"                 sid, ptrace, comm, coredump, unknown; or all\n"
	"  --no-threads   omit the events of threads other than a process's first thread\n"
	"  --ends         instead of events, show process exits: each process once, when its last\n"
	"                 thread is gone, with its status and run time\n"
	"  --failed       like --ends, but show only exits with a status other than 0, by a signal,\n"
	"                 or with an unknown status\n"
	"  --tree[=PID]   instead of events, show the tree of all processes, or of PID and its\n"
	"                 descendants. On a terminal the tree is live: + marks a new process, - one\n"
	"                 that exited; arrow and Page keys scroll, q quits. Elsewhere the tree is\n"
	"                 printed once\n"
	"  --json         print one JSON object per line\n"
	"  --duration S   stop after S seconds, such as 2.5\n"
	"  --count N      stop after N records: events, overruns or process exits\n"
	"  --stats        print totals at the end: on stderr or, with --json, on stdout as the last\n"
	"                 object\n"
	"  --no-wake-soon do not ask the kernel to run " NAME " soon after an event wakes it. By default it\n"
	"                 asks for a short slice: most command lines of short programs are read in time\n"
	"  --realtime     ask for the realtime policy SCHED_FIFO instead, which needs a privilege\n"
	"  --spin US      wait US microseconds for the next event without sleeping: uses all of a CPU\n"
	"  --help         print this text\n"
	"  --version      print the version of the library\n"
	"\n"
	"When events are lost, an overrun record reports their number and the start of the gap.\n"
	"--ends and --tree then read /proc again. They miss only the processes that both started\n"
	"and exited in the gap. To know names and old ids, " NAME " also receives events that it does\n"
	"not show.\n"
	"\n"
	"Text output:\n"
	"  - Control characters, invalid bytes and backslashes are escaped, as in \\n, \\x1b and \\\\.\n"
	"  - Names and arguments with a space or \", empty arguments, and names with ( or ) are in\n"
	"    quotes.\n"
	"  - An unknown name or command line is shown as ?.\n"
	"  - Colours are used on a terminal only, and not if NO_COLOR is set and not empty.\n"
	"JSON output:\n"
	"  - Each byte of a name or argument that is not UTF-8 becomes U+FFFD.\n"
	"  - An unknown value is null.\n"
	"  - cmdline has at most 4096 bytes; cmdline_truncated is true if the command line is longer.\n"
	"  - line numbers the objects of a run from 1, so that a missing one is noticed; run names the\n"
	"    run, and is another one after a restart.\n"
	"  - Each time in nanoseconds, KEY, is also there as a string, KEY_str: as a number above 2^53,\n"
	"    jq and JavaScript round it.\n"
	"\n"
	"Exit status:\n"
	"  0  stopped by --duration, --count, a signal, the key q or a closed pipe; tree printed\n"
	"  1  events cannot be received, output cannot be written, or there is no process PID\n"
	"  2  the options are wrong\n";

__attribute__((noreturn)) static void suggest_help(void)
{
	fputs("Try '" NAME " --help'.\n", stderr);
	exit(2);
}

__attribute__((format(printf, 1, 2), noreturn)) static void bad_usage(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fputs(NAME ": ", stderr);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	suggest_help();
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
	bad_usage("--events: unknown event '%.*s'", (int)length, name);
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

/* Accepts only the given characters, because strtod() also takes signs, spaces and exponents. */
static double parse_number(const char *option, const char *text, const char *characters)
{
	char *end;
	double number = strtod(text, &end);
	if (!*text || text[strspn(text, characters)] || *end || !(number > 0 && number < 1e9))
		bad_usage("--%s: '%s' is not a number above 0 and below 1000000000", option, text);
	return number;
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
		{ "json", no_argument, NULL, 'j' },
		{ "duration", required_argument, NULL, 'd' },
		{ "count", required_argument, NULL, 'c' },
		{ "stats", no_argument, NULL, 's' },
		{ "no-wake-soon", no_argument, NULL, 'w' },
		{ "realtime", no_argument, NULL, 'r' },
		{ "spin", required_argument, NULL, 'S' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ NULL, 0, NULL, 0 },
	};
	static char name[] = NAME;
	bool chosen = false;
	argv[0] = name; /* which starts the messages of getopt_long() */
	for (int option; (option = getopt_long(argc, argv, "", LONG, NULL)) != -1;) {
		switch (option) {
		case 'e': options.events = parse_events(optarg); chosen = true; break;
		case 'n': options.no_threads = true; break;
		case 'E': options.ends = true; break;
		case 'f': options.ends = options.failed = true; break;
		case 't': options.tree = true;
			options.root = optarg ? (pid_t)parse_number("tree", optarg, DIGITS) : 0;
			break;
		case 'j': options.json = true; break;
		case 'd': options.seconds = parse_number("duration", optarg, ".0123456789"); break;
		case 'c': options.count = (uint64_t)parse_number("count", optarg, DIGITS); break;
		case 's': options.stats = true; break;
		case 'w': options.no_wake_soon = true; break;
		case 'r': options.realtime = true; break;
		case 'S': options.spin_ns = (uint64_t)parse_number("spin", optarg, DIGITS) * 1000; break;
		case 'h': print_and_exit("%s", HELP);
		case 'v':
			print_and_exit(NAME " (proc_connector %u.%u.%u)\n", pc_version() >> 16,
				       pc_version() >> 8 & 0xff, pc_version() & 0xff);
		default: suggest_help(); /* getopt_long() has written the error */
		}
	}
	if (optind < argc)
		bad_usage("unexpected argument '%s'", argv[optind]);
	if (chosen && (options.ends || options.tree))
		bad_usage("--events cannot be combined with --ends, --failed or --tree");
	if (options.tree && (options.ends || options.json || options.count || options.stats))
		bad_usage("--tree cannot be combined with --ends, --failed, --json, --count or --stats");
	if (options.realtime && options.no_wake_soon)
		bad_usage("--realtime cannot be combined with --no-wake-soon");
	/* sysctl kernel.sched_rt_runtime_us: a realtime program that never sleeps is stopped 50 ms each second. */
	if (options.realtime && options.spin_ns)
		bad_usage("--realtime cannot be combined with --spin: the kernel would stop " NAME
			  " for 50 ms of each second");
}
