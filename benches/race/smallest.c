/* The smallest reader of command lines. With an argument, it asks to be woken soon. A signal ends it. */
#include <fcntl.h>
#include <proc_connector.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

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
	(void)argv;
	options.events = PC_MASK_EXEC;
	if (pc_open(&pc, &options) < 0 || (argc > 1 && pc_wake_soon(PC_WAKE_SLICE) < 0))
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
