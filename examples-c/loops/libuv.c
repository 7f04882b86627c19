/* Process events in a libuv loop. */
#include "processes.h"

#include <signal.h>
#include <uv.h>

static int result;

static void readable(uv_poll_t *poll, int status, int events)
{
	(void)events;
	(void)status; /* of an error, pc_recv() says more */
	result = processes_drain(poll->data);
	if (result < 0)
		uv_stop(poll->loop);
}

static void second_passed(uv_timer_t *timer)
{
	result = processes_check(timer->data);
	if (result < 0)
		uv_stop(timer->loop);
}

static void stop(uv_signal_t *handle, int number)
{
	(void)number;
	uv_stop(handle->loop);
}

static void close_handle(uv_handle_t *handle, void *unused)
{
	(void)unused;
	uv_close(handle, NULL);
}

int main(void)
{
	struct pc_connector *pc;
	uv_loop_t *loop = uv_default_loop();
	uv_signal_t terminate, interrupt;
	uv_timer_t timer;
	uv_poll_t poll;
	uv_signal_init(loop, &terminate);
	uv_signal_start(&terminate, stop, SIGTERM);
	uv_signal_init(loop, &interrupt);
	uv_signal_start(&interrupt, stop, SIGINT);
	if (processes_open(&pc) < 0)
		return 1;
	uv_poll_init(loop, &poll, pc_fd(pc));
	poll.data = pc;
	uv_poll_start(&poll, UV_READABLE, readable);
	uv_timer_init(loop, &timer);
	timer.data = pc;
	uv_timer_start(&timer, second_passed, 1000, 1000);

	uv_run(loop, UV_RUN_DEFAULT);

	/* A handle that is closed leaves the loop before the descriptor does. */
	uv_walk(loop, close_handle, NULL);
	uv_run(loop, UV_RUN_DEFAULT);
	uv_loop_close(loop);
	pc_close(pc);
	return result < 0;
}
