/* Prints records: one line of text or one JSON object each. */
#include "pcwatch.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static uint64_t shown[PC_EVENT_UNKNOWN + 1], total_shown; /* by PC_EVENT_*; 0: process exits */

void show_header(void)
{
	if (on_terminal && !options.tree)
		printf("%-12s %-8s %7s %7s %-15s %s\n", "TIME", "EVENT", "PID", "TID", "COMM", "DETAILS");
}

/* Text shows the local time of day; JSON shows the date and time in UTC. */
static const char *wall_time(uint64_t timestamp_ns, char buffer[40])
{
	uint64_t wall_ns = timestamp_ns + clock_ns(CLOCK_REALTIME) - now_ns();
	time_t seconds = (time_t)(wall_ns / NS_PER_S);
	struct tm tm;
	size_t length = options.json ? strftime(buffer, 32, "%FT%T", gmtime_r(&seconds, &tm))
				     : strftime(buffer, 32, "%T", localtime_r(&seconds, &tm));
	snprintf(buffer + length, 8, ".%03u%s", (unsigned)(wall_ns / NS_PER_MS % 1000),
		 options.json ? "Z" : "");
	return buffer;
}

/* Returns false, and begins no record, if --count is reached or stdout takes no more output. */
bool begin_record(const char *event, uint64_t timestamp_ns, const char *colour)
{
	char time[40];
	if ((options.count && total_shown == options.count) || !may_write())
		return false;
	wall_time(timestamp_ns, time);
	if (options.json)
		printf("{\"event\":\"%s\",\"time\":\"%s\",\"timestamp_ns\":%llu", event, time,
		       (unsigned long long)timestamp_ns);
	else
		printf("%s%s %-8s ", coloured && colour ? colour : "", time, event);
	return true;
}

void end_record(uint32_t kind)
{
	puts(options.json ? "}" : coloured ? "\033[m" : "");
	shown[kind]++;
	if (++total_shown == options.count)
		stop(0);
}

static void column(pid_t id)
{
	if (id)
		printf("%7d ", (int)id);
	else
		printf("%7s ", "-");
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
	column(pid);
	column(tid);
	printf("%s%*s", line.text, line.columns < 15 ? 16 - (int)line.columns : 1, "");
}

void text(const char *words)
{
	if (!options.json)
		fputs(words, stdout);
}

/* number(), string() and boolean() print a field: as JSON with the key, as text with the format. */
void number(const char *key, const char *format, bool known, long long value)
{
	if (options.json)
		printf(known ? ",\"%s\":%lld" : ",\"%s\":null", key, value);
	else if (format && known)
		printf(format, value);
}

void string(const char *key, const char *format, const char *value)
{
	struct line line;
	if (options.json) {
		printf(value ? ",\"%s\":" : ",\"%s\":null", key);
		if (value)
			json_string(value, strlen(value));
	} else if (format && value) {
		line_begin(&line, MAX_COLUMNS);
		line_add_name(&line, value);
		printf(format, line.text);
	}
}

void boolean(const char *key, bool known, bool value)
{
	if (options.json)
		printf(",\"%s\":%s", key, known ? value ? "true" : "false" : "null");
}

void overrun(uint64_t lost, uint64_t since_ns, bool deaf)
{
	char time[40];
	number("lost", "lost %lld events", !deaf, (long long)lost);
	text(deaf ? "lost an unknown number of events" : "");
	string("since", " since %s", wall_time(since_ns, time));
	number("since_ns", NULL, true, (long long)since_ns);
	string("reason", deaf ? ": the kernel was %s" : NULL, deaf ? "deaf" : "queue");
}

static void total(const char *key, uint64_t value)
{
	if (options.json)
		printf(",\"%s\":%llu", key, (unsigned long long)value);
	else
		fprintf(stderr, " %s %llu", key, (unsigned long long)value);
}

void show_totals(const struct pc_stats *stats, uint64_t duration_ns)
{
	char time[40];
	if (options.json)
		printf("{\"event\":\"stats\",\"time\":\"%s\"", wall_time(now_ns(), time));
	else
		fputs(NAME ":", stderr);
	for (uint32_t kind = 0; kind <= PC_EVENT_UNKNOWN; kind++)
		total(kind ? pc_event_name(kind) : "end", shown[kind]);
	total("shown", total_shown);
	total("duration_ms", duration_ns / NS_PER_MS);
	total("received", stats->received);
	total("lost", stats->lost);
	fputs(options.json ? "}\n" : "\n", options.json ? stdout : stderr);
}
