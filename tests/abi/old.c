/*
 * A program as it was compiled with version 0.1, which meets a later library: it does what the
 * header says and ignores kinds that it does not know. Says how many it met.
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

int main(void)
{
	struct pc_options options = PC_OPTIONS_INIT;
	struct pc_connector *pc;
	int result = pc_open(&pc, &options);
	if (result < 0)
		return fail(pc_strerror(result));

	/* Kinds that this program knows, and one (COMM) that the test gives a strange number. */
	prctl(PR_SET_NAME, "renamed");
	pid_t child = fork();
	if (child == 0) {
		execl("/bin/sh", "sh", "-c", "exit 7", NULL);
		_exit(127);
	}
	waitpid(child, NULL, 0);

	struct pc_event event;
	int strange = 0;
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
			strange++;
			if (strcmp(pc_event_name(event.kind), "unknown") != 0)
				return fail("pc_event_name");
		}
	}
	if (!forked || !execed || !ended)
		return fail("events are missing");

	struct {
		struct pc_stats stats;
		unsigned char behind[64];
	} room;
	memset(&room, 0xa5, sizeof(room));
	if (pc_get_stats(pc, &room.stats, sizeof(room.stats)) < 0 || room.stats.received == 0)
		return fail("pc_get_stats");
	for (size_t i = 0; i < sizeof(room.behind); i++)
		if (room.behind[i] != 0xa5)
			return fail("pc_get_stats writes beyond what this program knows");
	options.events = PC_MASK_EXIT;
	if (pc_set_filter(pc, &options) < 0)
		return fail("pc_set_filter");
	pc_close(pc);
	printf("%d strange events\n", strange);
	return 0;
}
