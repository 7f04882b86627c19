/*
 * Prints events: from the kernel, or from the descriptor with the given number. A daemon with such an
 * option can be tested with recordings.
 */
#include <errno.h>
#include <proc_connector.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	struct pc_connector *pc;
	int result = argc > 1 ? pc_open_fd(&pc, atoi(argv[1]), NULL) : pc_open(&pc, NULL);
	if (result < 0) {
		fprintf(stderr, "reader: %s\n", pc_strerror(result));
		return 1;
	}
	struct pc_event event;
	while ((result = pc_recv(pc, &event, -1)) == 1) {
		char line[256];
		pc_event_format(&event, line, sizeof(line));
		puts(line);
		fflush(stdout);
	}
	pc_close(pc);
	if (result == -EPIPE)
		return 0; /* the end of the recording */
	fprintf(stderr, "reader: %s\n", pc_strerror(result));
	return 1;
}
