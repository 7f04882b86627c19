/*
 * A program that is compiled with the header of version 0.1, and runs with a later library. It does what that header
 * says, and ignores kinds that it does not know. It reports how many events of such kinds it received.
 */
#include <proc_connector.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int fail(const char *what)
{
	fprintf(stderr, "old: %s\n", what);
	return 1;
}

/* Statistics, in front of memory that the library must not write. */
struct room {
	struct pc_stats stats;
	unsigned char behind[64];
};

static bool is_untouched(const struct room *room)
{
	for (size_t i = 0; i < sizeof(room->behind); i++)
		if (room->behind[i] != 0xa5)
			return false;
	return true;
}

static pid_t run_child(void)
{
	pid_t child = fork();
	if (child == 0) {
		execl("/bin/sh", "sh", "-c", "exit 7", NULL);
		_exit(127);
	}
	waitpid(child, NULL, 0);
	return child;
}

static int receive(int *strange)
{
	struct pc_options options = PC_OPTIONS_INIT;
	struct pc_connector *pc;
	int result = pc_open(&pc, &options);
	if (result < 0)
		return fail(pc_strerror(result));

	/* Kinds that this program knows, and one (COMM) that the test gives a strange number. */
	prctl(PR_SET_NAME, "renamed");
	pid_t child = run_child();

	struct pc_event event;
	bool forked = false, execed = false, ended = false;
	while (!ended && (result = pc_recv(pc, &event, 10000)) == 1) {
		char line[256];
		if (pc_event_format(&event, line, sizeof(line)) <= 0)
			return fail("an event cannot be formatted");
		switch (event.kind) {
		case PC_EVENT_FORK:
			forked |= event.data.fork.child_tgid == child;
			break;
		case PC_EVENT_EXEC:
			execed |= event.data.exec.tgid == child;
			break;
		case PC_EVENT_EXIT:
			ended = event.data.exit.tgid == child && event.data.exit.exit_code == 7 << 8;
			break;
		default:
			if (event.kind <= PC_EVENT_UNKNOWN)
				break;
			(*strange)++;
			if (strcmp(pc_event_name(event.kind), "unknown") != 0)
				return fail("pc_event_name");
		}
	}
	if (!forked || !execed || !ended)
		return fail("events are missing");

	struct room room;
	memset(&room, 0xa5, sizeof(room));
	if (pc_get_stats(pc, &room.stats, sizeof(room.stats)) < 0 || room.stats.received == 0)
		return fail("pc_get_stats");
	if (!is_untouched(&room))
		return fail("pc_get_stats writes beyond what this program knows");
	options.events = PC_MASK_EXIT;
	if (pc_set_filter(pc, &options) < 0)
		return fail("pc_set_filter");
	pc_close(pc);
	return 0;
}

static int follow(void)
{
	struct pc_table_options options = PC_TABLE_OPTIONS_INIT;
	struct pc_table *table;
	int result = pc_table_open(&table, &options);
	if (result < 0)
		return fail(pc_strerror(result));

	struct pc_change change;
	bool started = false, execed = false, exited = false;
	pid_t child = 0;
	while (!exited && (result = pc_table_next(table, &change, 10000)) == 1) {
		if (change.kind == PC_CHANGE_SYNCED && child == 0) {
			if (pc_table_set_user(table, getpid(), 42) < 0)
				return fail("pc_table_set_user");
			child = run_child();
		}
		if (child == 0 || change.process.pid != child)
			continue;
		started |= change.kind == PC_CHANGE_STARTED && change.process.parent_pid == getpid();
		execed |= change.kind == PC_CHANGE_EXECED;
		exited = change.kind == PC_CHANGE_EXITED && change.exit_code == 7 << 8;
	}
	if (!started || !execed || !exited)
		return fail("changes are missing");

	struct pc_process own[2], read;
	memset(own, 0xa5, sizeof(own));
	if (pc_table_get(table, getpid(), own) != 1 || own[0].user != 42)
		return fail("pc_table_get");
	if (own[1].pid != (pid_t)0xa5a5a5a5)
		return fail("pc_table_get writes beyond what this program knows");
	if (pc_process_read(getpid(), &read) != 1 || read.start_boottime_ns != own->start_boottime_ns)
		return fail("pc_process_read");
	if (pc_process_alive(getpid()) != 1)
		return fail("pc_process_alive");
	uint64_t cursor = 0;
	size_t count = 0;
	while (pc_table_each(table, &cursor, &read) == 1)
		count++;
	if (count != pc_table_count(table))
		return fail("pc_table_each");
	struct room room;
	memset(&room, 0xa5, sizeof(room));
	if (pc_table_get_stats(table, &room.stats, sizeof(room.stats)) < 0 || !is_untouched(&room))
		return fail("pc_table_get_stats");
	if (pc_table_check(table) < 0)
		return fail("pc_table_check");
	pc_table_close(table);
	return 0;
}

int main(void)
{
	int strange = 0;
	if (pc_version() < PC_VERSION)
		return fail("pc_version");
	if (receive(&strange) != 0 || follow() != 0)
		return 1;
	printf("%d strange events\n", strange);
	return 0;
}
