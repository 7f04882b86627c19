/* Counts, and writes what it has counted to a file in the text format of Prometheus: --metrics. */
#include "pcwatch.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CANDIDATES_PER_PLACE = 4, HASTE = 2, FEWEST = 8 };
#define REST "all other programs" /* longer than any name of a process */

struct counts {
	uint64_t of[DEEDS];
};
static uint64_t events[PC_EVENT_UNKNOWN + 1], overruns[3];
static struct counts all, rest;

/*
 * The programs that have a place in the file keep it, and their counts only grow. The others share a place.
 * Each of them may be a candidate: its events are counted, too, but only to compare. It takes the place of a
 * program when it was more than twice as frequent of late. Then its counts begin at 0, and those of the other
 * program are in the file no longer: what was counted before does not move from one to the other, because rate()
 * would take that for something that happens now.
 */
struct program {
	char name[16]; /* empty: the place is free */
	uint32_t recent; /* events, of which half are forgotten at each interval */
	struct counts counts;
};
static struct program *programs, *candidates;
static size_t candidate_count;
static uint64_t due_ns = NEVER;
static char *temporary;

static struct program *find(struct program *where, size_t count, const char *name)
{
	size_t length = strlen(name) + 1;
	for (size_t i = 0; i < count; i++)
		if (memcmp(where[i].name, name, length) == 0)
			return &where[i];
	return NULL;
}

static struct program *least(struct program *where, size_t count)
{
	struct program *found = where;
	for (size_t i = 1; i < count && *found->name; i++)
		if (!*where[i].name || where[i].recent < found->recent)
			found = &where[i];
	return found;
}

void count_event(uint32_t kind)
{
	events[kind]++;
}

void count_overrun(enum lost_reason reason)
{
	overruns[reason]++;
}

/* name: NULL if it is unknown. */
void count_deed(enum deed deed, const char *name)
{
	if (!options.metrics)
		return;
	all.of[deed]++;
	struct program *program = name && *name ? find(programs, options.metrics_top, name) : NULL;
	if (!program && name && *name) {
		program = least(programs, options.metrics_top);
		if (*program->name)
			program = NULL; /* no place is free */
		else
			strcpy(program->name, name);
	}
	if (program) {
		program->counts.of[deed]++;
		program->recent += program->recent < UINT32_MAX;
		return;
	}
	rest.of[deed]++;
	if (!name || !*name)
		return;
	program = find(candidates, candidate_count, name);
	if (!program) {
		program = least(candidates, candidate_count); /* it inherits the number: "space saving" */
		strcpy(program->name, name);
	}
	program->recent += program->recent < UINT32_MAX;
}

static void give_places(void)
{
	for (;;) {
		struct program *worst = least(programs, options.metrics_top), *best = candidates;
		for (size_t i = 1; i < candidate_count; i++)
			best = candidates[i].recent > best->recent ? &candidates[i] : best;
		if (!*worst->name || best->recent < FEWEST || best->recent / HASTE <= worst->recent)
			break;
		struct program loser = *worst;
		*worst = (struct program){ .recent = best->recent };
		strcpy(worst->name, best->name);
		*best = (struct program){ .recent = loser.recent };
		strcpy(best->name, loser.name);
	}
	for (size_t i = 0; i < options.metrics_top; i++)
		programs[i].recent /= 2;
	for (size_t i = 0; i < candidate_count; i++)
		candidates[i].recent /= 2;
}

static void heading(FILE *file, const char *name, const char *type, const char *help)
{
	fprintf(file, "# HELP pcwatch_%s %s\n# TYPE pcwatch_%s %s\n", name, help, name, type);
}

static void single(FILE *file, const char *name, const char *type, const char *help, uint64_t value)
{
	heading(file, name, type, help);
	fprintf(file, "pcwatch_%s %llu\n", name, (unsigned long long)value);
}

static void by_program(FILE *file, const char *name, const char *help, enum deed deed)
{
	char family[40];
	snprintf(family, sizeof(family), "program_%s", name);
	heading(file, family, "counter", help);
	for (size_t i = 0; i < options.metrics_top && *programs[i].name; i++) {
		fprintf(file, "pcwatch_%s{program=", family);
		label(file, programs[i].name);
		fprintf(file, "} %llu\n", (unsigned long long)programs[i].counts.of[deed]);
	}
	fprintf(file, "pcwatch_%s{program=\"" REST "\"} %llu\n", family, (unsigned long long)rest.of[deed]);
}

static void print(FILE *file, const struct pc_stats *stats)
{
	static const struct {
		enum deed deed;
		const char *name, *help;
	} ROWS[] = {
		{ FORKED, "forks_total", "Processes that started." },
		{ EXECUTED, "execs_total", "Programs that processes began to run." },
		{ EXITED, "exits_total", "Processes that exited." },
		{ FAILED, "failed_exits_total", "Processes that exited with a status other than 0 or by a signal." },
	};
	const unsigned version = pc_version();
	heading(file, "info", "gauge", "The version of pcwatch.");
	fprintf(file, "pcwatch_info{version=\"%u.%u.%u\"} 1\n", version >> 16, version >> 8 & 0xff, version & 0xff);
	if (!options.ends && !options.family) {
		heading(file, "events_total", "counter", "Events that the kernel reported, by kind.");
		for (uint32_t kind = PC_EVENT_FORK; kind <= PC_EVENT_UNKNOWN; kind++)
			if (kind != PC_EVENT_OVERRUN)
				fprintf(file, "pcwatch_events_total{kind=\"%s\"} %llu\n", pc_event_name(kind),
					(unsigned long long)events[kind]);
	}
	single(file, "received_events_total", "counter", "Events received.", stats->received);
	single(file, "lost_events_total", "counter", "Events that were lost because the queue was full.", stats->lost);
	heading(file, "overruns_total", "counter", "Reports of lost events, whose number is known if the reason is queue.");
	for (enum lost_reason reason = LOST_IN_QUEUE; reason <= LOST_AT_RESTART; reason++)
		fprintf(file, "pcwatch_overruns_total{reason=\"%s\"} %llu\n", REASONS[reason],
			(unsigned long long)overruns[reason]);
	single(file, "deafness_repairs_total", "counter", "How often pcwatch found that the kernel reported to nobody.",
	       stats->repaired);
	single(file, "queue_bytes", "gauge", "The budget of the kernel's queue.", stats->rcvbuf_bytes);
	single(file, "lines_total", "counter", "Lines of output, without those that were dropped.", lines_made());
	single(file, "dropped_lines_total", "counter", "Lines of output that --drop has discarded.", lines_dropped());
	single(file, "waiting_bytes", "gauge", "Output that --drop keeps because its reader is slow.", lines_waiting());
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(*ROWS); i++)
		single(file, ROWS[i].name, "counter", ROWS[i].help, all.of[ROWS[i].deed]);
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(*ROWS); i++)
		by_program(file, ROWS[i].name, ROWS[i].help, ROWS[i].deed);
}

/* Writes another file and renames it, so that no reader sees a part. Returns 0, or -1 with errno set. */
static int replace(const char *text, size_t length)
{
	int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return -1;
	ssize_t wrote = write(fd, text, length);
	int error = wrote < 0 ? errno : (size_t)wrote < length ? ENOSPC : 0;
	close(fd);
	if (!error && rename(temporary, options.metrics) == 0)
		return 0;
	error = error ? error : errno;
	unlink(temporary);
	errno = error;
	return -1;
}

uint64_t metrics_due_ns(void)
{
	return due_ns;
}

/* Returns false if the file cannot be written, which it reports once. */
bool write_metrics(const struct pc_stats *stats)
{
	static FILE *file;
	static char *text;
	static size_t length;
	static bool reported;
	if (!options.metrics)
		return true;
	if (!file) {
		candidate_count = options.metrics_top * CANDIDATES_PER_PLACE;
		programs = calloc(options.metrics_top, sizeof(*programs));
		candidates = calloc(candidate_count, sizeof(*candidates));
		file = open_memstream(&text, &length);
		if (!programs || !candidates || !file || asprintf(&temporary, "%s.tmp", options.metrics) < 0)
			abort();
	}
	give_places();
	rewind(file);
	print(file, stats);
	fflush(file);
	bool good = replace(text, length) == 0;
	if (!good && !reported)
		complain(options.metrics, strerror(errno));
	reported = !good;
	due_ns = now_ns() + options.metrics_interval_ns;
	return good;
}
