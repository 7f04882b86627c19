/* Process events in a GLib main loop. */
#include "processes.h"

#include <glib-unix.h>
#include <signal.h>

static GMainLoop *loop;
static int result;

static gboolean stop(gpointer unused)
{
	(void)unused;
	g_main_loop_quit(loop);
	return G_SOURCE_CONTINUE;
}

static gboolean after(int drained)
{
	result = drained;
	return result < 0 ? stop(NULL) : G_SOURCE_CONTINUE;
}

static gboolean readable(gint fd, GIOCondition condition, gpointer pc)
{
	(void)fd;
	(void)condition; /* of an error, pc_recv() says more */
	return after(processes_drain(pc));
}

static gboolean second_passed(gpointer pc)
{
	return after(processes_check(pc));
}

int main(void)
{
	struct pc_connector *pc;
	loop = g_main_loop_new(NULL, FALSE);
	g_unix_signal_add(SIGTERM, stop, NULL);
	g_unix_signal_add(SIGINT, stop, NULL);
	if (processes_open(&pc) < 0)
		return 1;
	guint events = g_unix_fd_add(pc_fd(pc), G_IO_IN, readable, pc);
	guint timer = g_timeout_add_seconds(1, second_passed, pc);

	g_main_loop_run(loop);

	g_source_remove(timer);
	g_source_remove(events);
	g_main_loop_unref(loop);
	pc_close(pc);
	return result < 0;
}
