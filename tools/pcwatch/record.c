/* Prints records: one line of text or one JSON object each. */
#include "pcwatch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum { PIPE_COLUMNS = 256, FEWEST_COLUMNS = 20, SCHEMA = 1 };

static uint64_t shown[KINDS], total_shown, undecided;
static long record_start, line_start; /* in out; the record may begin with a colour */
static uint64_t lines; /* of this run */
static uint64_t line_ns; /* the time of the record that has been begun */

/* A loss of events, which an overrun reports. */
struct loss {
	uint64_t events;
	bool unknown;
};
static struct loss loss; /* of the record that is begun next */

/* The lines that --drop has discarded, and that have not been announced yet. */
static struct {
	uint64_t lines, since_ns;
	struct loss losses; /* which the overruns among these lines have reported */
} dropped;
static uint64_t total_dropped;

/* Text shows the local time of day; JSON shows the date and time in UTC. */
static const char *wall_time(uint64_t timestamp_ns, char buffer[40])
{
	static time_t shown_seconds = -1; /* most records are in the second of the one before */
	static char second[32];
	uint64_t wall_ns = time_of_day_ns(timestamp_ns);
	time_t seconds = (time_t)(wall_ns / NS_PER_S);
	struct tm tm;
	if (seconds != shown_seconds) {
		if (options.json)
			strftime(second, sizeof(second), "%FT%T", gmtime_r(&seconds, &tm));
		else
			strftime(second, sizeof(second), "%T", localtime_r(&seconds, &tm));
		shown_seconds = seconds;
	}
	unsigned ms = (unsigned)(wall_ns / NS_PER_MS % 1000);
	char *end = stpcpy(buffer, second);
	const char fraction[] = { '.', (char)('0' + ms / 100), (char)('0' + ms / 10 % 10), (char)('0' + ms % 10), 0 };
	strcpy(stpcpy(end, fraction), options.json ? "Z" : "");
	return buffer;
}

/* Adds the fields of --host. They are a quarter of an object, so they are made once, and not for each. */
static void name_host(void)
{
	static struct host host;
	static char *fields;
	static size_t size;
	if (read_host(&host)) {
		FILE *lines = out;
		free(fields);
		out = open_memstream(&fields, &size);
		if (!out)
			abort();
		string("host", NULL, *host.name ? host.name : NULL);
		string("machine_id", NULL, *host.machine ? host.machine : NULL);
		string("boot_id", NULL, *host.boot ? host.boot : NULL);
		fclose(out);
		out = lines;
	}
	fwrite(fields, 1, size, out);
}

/*
 * Numbers the lines of this run, so that a consumer notices that a line is missing. The name of the
 * run distinguishes a restart, after which the numbers begin at 1 again.
 */
static void number_line(void)
{
	static uint32_t run;
	while (!run)
		if (getrandom(&run, sizeof(run), GRND_NONBLOCK) != sizeof(run))
			run = (uint32_t)(now_ns() ^ clock_ns(CLOCK_REALTIME) ^ (uint64_t)getpid() << 20);
	fprintf(out, ",\"line\":%llu,\"run\":\"%08x\",\"schema\":%d", (unsigned long long)lines, run, SCHEMA);
	if (options.host)
		name_host();
}

static void begin_object(const char *event, uint64_t timestamp_ns)
{
	char time[40];
	fprintf(out, "{\"event\":\"%s\",\"time\":\"%s\"", event, wall_time(timestamp_ns, time));
}

/* How many lines were made besides those that were dropped. */
uint64_t lines_made(void)
{
	return lines - total_dropped;
}

uint64_t lines_dropped(void)
{
	return total_dropped;
}

/* How many dropped lines no line of output has reported yet. */
uint64_t lines_unannounced(void)
{
	return dropped.lines;
}

/* Before the record that reports a loss of events. */
void note_loss(uint64_t lost, enum lost_reason reason)
{
	loss = (struct loss){ lost, reason != LOST_IN_QUEUE };
}

/* The line has its number, so that the gap in the numbers is as long as what is announced. */
static void drop_line(void)
{
	if (!dropped.lines++)
		dropped.since_ns = line_ns;
	total_dropped++;
	dropped.losses.events += loss.events;
	dropped.losses.unknown |= loss.unknown;
	loss = (struct loss){ 0 };
}

static void open_record(const char *event, uint64_t timestamp_ns, const char *colour)
{
	char time[40];
	lines++;
	line_ns = timestamp_ns;
	record_start = ftell(out);
	if (options.json) {
		begin_object(event, timestamp_ns);
		nanoseconds("timestamp_ns", (long long)timestamp_ns);
		number_line();
	} else {
		fputs(coloured && colour ? colour : "", out);
		line_start = on_terminal ? ftell(out) : 0;
		fprintf(out, "%s %-8s ", wall_time(timestamp_ns, time), event);
	}
}

static void show_dropped(void)
{
	open_record("dropped", now_ns(), "\033[1;7;31m");
	columns(0, 0, NULL);
	number("dropped", "dropped %lld lines", true, (long long)dropped.lines);
	since(dropped.since_ns);
	number("lost", dropped.losses.events ? ", with reports of %lld lost events" : NULL, !dropped.losses.unknown,
	       (long long)dropped.losses.events);
	text(dropped.losses.unknown ? ", with reports of an unknown number of lost events" : "");
	dropped.lines = 0;
	dropped.losses = (struct loss){ 0 };
	fputs(options.json ? "}" : coloured ? "\033[m" : "", out);
	end_line();
}

/*
 * Announces what was dropped, once a quarter of the buffer is free: otherwise a slow reader would get an
 * announcement for each line. Returns whether there was one.
 */
bool announce_dropped(void)
{
	if (!dropped.lines || output_gone || room_left() < options.buffer_bytes / 4)
		return false;
	show_dropped();
	return true;
}

/* Returns false, and begins no record, if --count is reached or stdout takes no more output. */
bool begin_record(const char *event, uint64_t timestamp_ns, const char *colour)
{
	if ((options.count && total_shown == options.count) || output_gone)
		return false;
	if (dropped.lines && !announce_dropped()) {
		lines++;
		drop_line();
		return false;
	}
	open_record(event, timestamp_ns, colour);
	return true;
}

/* Ends a record that neither --count nor --stats counts. Returns false if it is dropped. */
bool end_notice(void)
{
	fputs(options.json ? "}" : coloured ? "\033[m" : "", out);
	if (options.buffer_bytes && room_left() == 0) {
		fseek(out, record_start, SEEK_SET);
		drop_line();
		return false;
	}
	loss = (struct loss){ 0 };
	end_line();
	return true;
}

void end_record(uint32_t kind)
{
	if (!end_notice())
		return;
	shown[kind]++;
	if (++total_shown == options.count)
		stop(0);
}

/* Prints the columns that the header names. JSON has no columns. */
void columns(pid_t pid, pid_t tid, const char *name)
{
	struct line line;
	if (options.json)
		return;
	name = name ? name : pid ? "?" : "-";
	line_begin(&line, MAX_COLUMNS);
	line_add_name(&line, name);
	int gap = line.columns < 15 ? 16 - (int)line.columns : 1;
	if (pid && tid)
		fprintf(out, "%7d %7d %s%*s", (int)pid, (int)tid, line.text, gap, "");
	else if (pid)
		fprintf(out, "%7d %7s %s%*s", (int)pid, "-", line.text, gap, "");
	else
		fprintf(out, "%7s %7s %s%*s", "-", "-", line.text, gap, "");
}

/* Adds a column of text, with quotes around a word that has a space. */
void column(int width, const char *word, size_t length)
{
	static struct line line;
	line_begin(&line, MAX_COLUMNS);
	line_add_argument(&line, word, length);
	int gap = width > (int)line.columns ? width - (int)line.columns : 1;
	fprintf(out, "%s%*s", line.text, gap, "");
}

/* Returns how many columns of the terminal the rest of this line of text has; of a pipe, enough. */
size_t room_in_line(void)
{
	struct winsize window;
	if (!on_terminal || ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) < 0 || !window.ws_col)
		return PIPE_COLUMNS;
	/* A name may have characters of several bytes: then there is a little more room than this. */
	long used = ftell(out) - line_start, room = window.ws_col - used;
	return room > FEWEST_COLUMNS ? (size_t)room : FEWEST_COLUMNS;
}

void text(const char *words)
{
	if (!options.json)
		fputs(words, out);
}

/* number(), string() and boolean() print a field: as JSON with the key, as text with the format. */
void number(const char *key, const char *format, bool known, long long value)
{
	if (options.json)
		fprintf(out, known ? ",\"%s\":%lld" : ",\"%s\":null", key, value);
	else if (format && known)
		fprintf(out, format, value);
}

/* A field of JSON. If its text has bytes that are not UTF-8, another field has all bytes, in base64. */
void bytes(const char *key, const char *value, size_t length)
{
	fprintf(out, value ? ",\"%s\":" : ",\"%s\":null", key);
	if (!value || json_string(value, length))
		return;
	fprintf(out, ",\"%s_bytes\":", key);
	json_base64(value, length);
}

void string(const char *key, const char *format, const char *value)
{
	struct line line;
	if (options.json) {
		bytes(key, value, value ? strlen(value) : 0);
	} else if (format && value) {
		line_begin(&line, MAX_COLUMNS);
		line_add_name(&line, value);
		fprintf(out, format, line.text);
	}
}

void boolean(const char *key, bool known, bool value)
{
	if (options.json)
		fprintf(out, ",\"%s\":%s", key, known ? value ? "true" : "false" : "null");
}

/*
 * Prints a time in nanoseconds, which only JSON shows. A program that keeps numbers as doubles, as
 * jq and JavaScript do, rounds those above 2^53. So the digits follow as a string.
 */
void nanoseconds(const char *key, long long value)
{
	if (options.json)
		fprintf(out, ",\"%s\":%lld,\"%s_str\":\"%lld\"", key, value, key, value);
}

void since(uint64_t since_ns)
{
	char time[40];
	string("since", " since %s", wall_time(since_ns, time));
	nanoseconds("since_ns", (long long)since_ns);
}

const char *const REASONS[] = { "queue", "deaf", "restart" };

void overrun(uint64_t lost, uint64_t since_ns, enum lost_reason reason)
{
	static const char *const FORMATS[] = { NULL, ": the kernel was %s", ": an unexpected %s" };
	bool known = reason == LOST_IN_QUEUE;
	number("lost", "lost %lld events", known, (long long)lost);
	text(known ? "" : "lost an unknown number of events");
	since(since_ns);
	string("reason", FORMATS[reason], REASONS[reason]);
}

static void total(const char *key, uint64_t value)
{
	if (options.json)
		fprintf(out, ",\"%s\":%llu", key, (unsigned long long)value);
	else
		fprintf(stderr, " %s %llu", key, (unsigned long long)value);
}

/* A filter could not be applied, so there is no record. */
void count_undecided(void)
{
	undecided++;
}

/* wake: what pc_wake_soon() has given; NULL: nothing. */
void show_totals(const struct pc_stats *stats, uint64_t duration_ns, const char *wake)
{
	if (dropped.lines)
		show_dropped(); /* into the part of the buffer that is kept free for the end */
	if (options.json) {
		lines++;
		begin_object("stats", now_ns());
		number_line();
	} else {
		fputs(NAME ":", stderr);
	}
	for (uint32_t kind = 0; kind < KINDS; kind++)
		total(kind == STARTS ? "start" : kind ? pc_event_name(kind) : "end", shown[kind]);
	total("shown", total_shown);
	total("duration_ms", duration_ns / NS_PER_MS);
	total("undecided", undecided);
	total("dropped", total_dropped);
	total("received", stats->received);
	total("lost", stats->lost);
	if (options.json)
		fprintf(out, wake ? ",\"wake\":\"%s\"}\n" : ",\"wake\":null}\n", wake);
	else
		fprintf(stderr, " wake %s\n", wake ? wake : "unchanged");
}
