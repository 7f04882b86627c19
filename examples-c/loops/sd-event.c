/*
 * Follows all processes in an sd-event loop.
 *     cc sd-event.c -o sd-event $(pkg-config --cflags --libs proc_connector libsystemd)
 */
#include <proc_connector.h>
#include <signal.h>
#include <stdio.h>
#include <systemd/sd-event.h>

static int after(sd_event_source *source, int r)
{
	return r < 0 ? sd_event_exit(sd_event_source_get_event(source), r) : 0;
}

/* Shows one change. While the table has more, sd-event calls this again, after other sources. */
static int readable(sd_event_source *source, int fd, uint32_t events, void *table)
{
	struct pc_change change;
	char line[256]; /* No line is longer. */
	(void)fd, (void)events;
	int r = pc_table_next(table, &change, 0);
	if (r == 1) {
		pc_change_format(&change, line, sizeof(line));
		puts(line);
	}
	return after(source, r);
}

static int second_passed(sd_event_source *source, uint64_t usec, void *table)
{
	(void)usec;
	sd_event_source_set_time_relative(source, 1000000);
	sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	return after(source, pc_table_check(table)); /* Does the kernel still report? */
}

int main(void)
{
	struct pc_table *table = NULL;
	sd_event *loop = NULL;
	sigset_t stop;
	setvbuf(stdout, NULL, _IOLBF, 0);
	sigemptyset(&stop);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGTERM);
	sigprocmask(SIG_BLOCK, &stop, NULL);
	int r = pc_table_open(&table, NULL);
	if (r >= 0 && (r = sd_event_default(&loop)) >= 0 &&
	    (r = sd_event_add_signal(loop, NULL, SIGINT, NULL, NULL)) >= 0 &&
	    (r = sd_event_add_signal(loop, NULL, SIGTERM, NULL, NULL)) >= 0 &&
	    (r = sd_event_add_io(loop, NULL, pc_table_fd(table), EPOLLIN, readable, table)) >= 0 &&
	    (r = sd_event_add_time(loop, NULL, CLOCK_MONOTONIC, 0, 0, second_passed, table)) >= 0)
		r = sd_event_loop(loop);
	if (r < 0)
		fprintf(stderr, "sd-event: %s\n", pc_strerror(r));
	sd_event_unref(loop);
	pc_table_close(table);
	return r < 0;
}
