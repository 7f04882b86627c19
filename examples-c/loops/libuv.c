/*
 * Follows all processes in a libuv loop.
 *     cc libuv.c -o libuv $(pkg-config --cflags --libs proc_connector libuv)
 */
#include <proc_connector.h>
#include <signal.h>
#include <stdio.h>
#include <uv.h>

static struct pc_table *table;
static int result;

/* Shows one change. While the table has more, libuv calls this again, after other sources. */
static void readable(uv_poll_t *poll, int status, int events)
{
	struct pc_change change;
	char line[256]; /* No line is longer. */
	result = events ? pc_table_next(table, &change, 0) : status;
	if (result == 1) {
		pc_change_format(&change, line, sizeof(line));
		puts(line);
	} else if (result < 0) {
		uv_stop(poll->loop);
	}
}

static void second_passed(uv_timer_t *timer)
{
	result = pc_table_check(table); /* Does the kernel still report? */
	if (result < 0)
		uv_stop(timer->loop);
}

static void stop(uv_signal_t *handle, int signal) { (void)signal; uv_stop(handle->loop); }

int main(void)
{
	uv_loop_t *loop = uv_default_loop();
	uv_signal_t terminate, interrupt;
	uv_timer_t timer;
	uv_poll_t poll;
	setvbuf(stdout, NULL, _IOLBF, 0);
	if ((result = pc_table_open(&table, NULL)) >= 0 &&
	    (result = uv_poll_init(loop, &poll, pc_table_fd(table))) >= 0) {
		uv_poll_start(&poll, UV_READABLE, readable);
		uv_signal_init(loop, &terminate);
		uv_signal_start(&terminate, stop, SIGTERM);
		uv_signal_init(loop, &interrupt);
		uv_signal_start(&interrupt, stop, SIGINT);
		uv_timer_init(loop, &timer);
		uv_timer_start(&timer, second_passed, 1000, 1000);
		uv_run(loop, UV_RUN_DEFAULT);
		uv_poll_stop(&poll);
	}
	if (result < 0)
		fprintf(stderr, "libuv: %s\n", pc_strerror(result));
	pc_table_close(table);
	return result < 0;
}
