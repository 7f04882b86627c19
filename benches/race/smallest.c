/* The smallest reader of command lines; its argument says how it waits: "soon", "realtime", "spin". A signal ends it. */
#include <fcntl.h>
#include <proc_connector.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SPIN_US = 1000000 };

static struct pc_connector *pc;

static void stop(int number)
{
	(void)number;
	pc_interrupt(pc);
}

int main(int argc, char **argv)
{
	struct pc_options options = PC_OPTIONS_INIT;
	struct pc_event event;
	char path[32], line[4096];
	const char *way = argc > 1 ? argv[1] : "";
	options.events = PC_MASK_EXEC;
	options.spin_us = strcmp(way, "spin") ? 0 : SPIN_US;
	if (pc_open(&pc, &options) < 0)
		return 1;
	if (!strcmp(way, "soon") && pc_wake_soon(PC_WAKE_SLICE) != PC_WAKE_SLICE)
		return 1;
	if (!strcmp(way, "realtime") && pc_wake_soon(PC_WAKE_REALTIME) != PC_WAKE_REALTIME)
		return 1;
	signal(SIGINT, stop);
	while (pc_recv(pc, &event, -1) == 1) {
		if (event.kind != PC_EVENT_EXEC)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)event.data.exec.tgid);
		int fd = open(path, O_RDONLY);
		ssize_t size = read(fd, line, sizeof(line) - 1);
		for (ssize_t i = 0; i < size; i++)
			line[i] = line[i] ? line[i] : ' ';
		printf("%d %.*s\n", (int)event.data.exec.tgid, size < 0 ? 0 : (int)size, line);
		close(fd);
	}
	return 0;
}
