/* Prints every program that is started, until Ctrl-C. */
#include <proc_connector.h>
#include <stdio.h>

int main(void)
{
	struct pc_options options = PC_OPTIONS_INIT;
	options.events = PC_MASK_EXEC;

	struct pc_connector *pc;
	int result = pc_open(&pc, &options);
	if (result < 0) {
		fprintf(stderr, "minimal: %s\n", pc_strerror(result));
		return 1;
	}
	struct pc_event event;
	while ((result = pc_recv(pc, &event, -1)) == 1) {
		char line[256];
		pc_event_format(&event, line, sizeof(line));
		puts(line); /* also prints overruns */
		fflush(stdout);
	}
	fprintf(stderr, "minimal: %s\n", pc_strerror(result));
	pc_close(pc);
	return 1;
}
