/* Process events in an sd-event loop. */
#include "processes.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-event.h>

/* What a handler returns: an error that was shown ends the loop. */
static int after(sd_event_source *source, int drained)
{
	return drained < 0 ? sd_event_exit(sd_event_source_get_event(source), 1) : 0;
}

static int readable(sd_event_source *source, int fd, uint32_t events, void *pc)
{
	(void)fd;
	(void)events; /* of an error, pc_recv() says more */
	return after(source, processes_drain(pc));
}

static int second_passed(sd_event_source *source, uint64_t usec, void *pc)
{
	(void)usec;
	sd_event_source_set_time_relative(source, 1000000);
	sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	return after(source, processes_check(pc));
}

int main(void)
{
	sigset_t stop;
	sigemptyset(&stop);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGTERM);
	sigprocmask(SIG_BLOCK, &stop, NULL); /* as sd_event_add_signal() wants it */

	struct pc_connector *pc;
	if (processes_open(&pc) < 0)
		return 1;
	sd_event *loop = NULL;
	int result = sd_event_default(&loop);
	if (result >= 0)
		result = sd_event_add_signal(loop, NULL, SIGTERM, NULL, NULL);
	if (result >= 0)
		result = sd_event_add_signal(loop, NULL, SIGINT, NULL, NULL);
	if (result >= 0)
		result = sd_event_add_io(loop, NULL, pc_fd(pc), EPOLLIN, readable, pc);
	if (result >= 0)
		result = sd_event_add_time_relative(loop, NULL, CLOCK_MONOTONIC, 1000000, 0,
						    second_passed, pc);
	if (result >= 0)
		result = sd_event_loop(loop);
	if (result < 0)
		fprintf(stderr, "sd-event: %s\n", strerror(-result));
	sd_event_unref(loop); /* and with it what was added */
	pc_close(pc);
	return result != 0;
}
