/* The options, and --help. */
#include "watch.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options options = { .events = PC_MASK_ALL | PC_MASK_UNKNOWN };

static const char HELP[] =
	"Usage: %s [OPTION]...\n"
	"Shows the process events of the whole machine as they happen, until Ctrl-C.\n"
	"\n"
	"  --events LIST  only these: fork,exec,exit,uid,gid,sid,ptrace,comm,coredump,unknown; or all\n"
	"  --no-threads   only the events of processes, not of their other threads\n"
	"  --ends         instead of events, the ends of processes: each once, when its last thread\n"
	"                 has gone, with its status and run time\n"
	"  --failed       of these, only with a status other than 0, or by a signal; or unknown,\n"
	"                 where the end could not be observed\n"
	"  --tree[=PID]   instead of events, the tree of all processes, or of PID and below.\n"
	"                 On a terminal it is live (+ is new, - has ended; arrows and Page keys\n"
	"                 scroll, q quits); otherwise it is printed once\n"
	"  --json         one JSON object per line\n"
	"  --duration S   stop after S seconds, such as 2.5\n"
	"  --count N      stop after N events shown\n"
	"  --stats        totals at the end: on stderr; with --json on stdout, the last object\n"
	"  --help, --version\n"
	"\n"
	"When events are lost, an overrun says how many, and since when. --ends and --tree then compare\n"
	"with /proc, and go on with nothing in doubt. To name what ends, and to tell old ids, events\n"
	"that are not shown are listened to as well.\n"
	"Text: control characters and invalid bytes become \\n, \\x1b and the like, a backslash \\\\;\n"
	"what has a space or \", arguments that are empty, and names with ( or ) are in quotes; what is\n"
	"unknown is ?; colours on a terminal only, and not if NO_COLOR is set.\n"
	"JSON: each byte of a name or argument that is not UTF-8 becomes U+FFFD; what is unknown is\n"
	"null; cmdline has at most 4096 bytes, and cmdline_truncated is true if that was not all.\n"
	"Exit status: 0: stopped; 1: events cannot be had, or not be written; 2: bad options.\n";

__attribute__((format(printf, 1, 2), noreturn)) static void bad_usage(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fprintf(stderr, "%s: ", NAME);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, "\nTry '%s --help'.\n", NAME);
	exit(2);
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

__attribute__((format(printf, 1, 2), noreturn)) static void print_and_exit(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	int printed = vprintf(format, arguments);
	va_end(arguments);
	if (printed >= 0 && fflush(stdout) == 0)
		exit(0);
	fprintf(stderr, "%s: stdout: %s\n", NAME, strerror(errno));
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
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ NULL, 0, NULL, 0 },
	};
	bool chosen = false;
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
		case 'h': print_and_exit(HELP, NAME);
		case 'v':
			print_and_exit("%s (proc_connector %u.%u.%u)\n", NAME, pc_version() >> 16,
				       pc_version() >> 8 & 0xff, pc_version() & 0xff);
		default: bad_usage("cannot understand the options"); /* getopt has said which */
		}
	}
	if (optind < argc)
		bad_usage("unexpected argument '%s'", argv[optind]);
	if (chosen && (options.ends || options.tree))
		bad_usage("--events goes with neither --ends, --failed nor --tree");
	if (options.tree && (options.ends || options.json || options.count || options.stats))
		bad_usage("--tree goes with --duration alone");
}
