/*
 * Follows all processes in a GLib main loop.
 *     cc glib.c -o glib $(pkg-config --cflags --libs proc_connector glib-2.0)
 */
#include <glib-unix.h>
#include <proc_connector.h>
#include <signal.h>
#include <stdio.h>

static GMainLoop *loop;
static int result;

static gboolean stop(gpointer unused)
{
	(void)unused;
	g_main_loop_quit(loop);
	return G_SOURCE_CONTINUE;
}

/* Shows one change. While the table has more, GLib calls this again, after other sources. */
static gboolean readable(gint fd, GIOCondition condition, gpointer table)
{
	struct pc_change change;
	char line[256]; /* No line is longer. */
	(void)fd, (void)condition;
	result = pc_table_next(table, &change, 0);
	if (result == 1) {
		pc_change_format(&change, line, sizeof(line));
		puts(line);
	}
	return result < 0 ? stop(NULL) : G_SOURCE_CONTINUE;
}

static gboolean second_passed(gpointer table)
{
	result = pc_table_check(table); /* Does the kernel still report? */
	return result < 0 ? stop(NULL) : G_SOURCE_CONTINUE;
}

int main(void)
{
	struct pc_table *table = NULL;
	setvbuf(stdout, NULL, _IOLBF, 0);
	loop = g_main_loop_new(NULL, FALSE);
	g_unix_signal_add(SIGTERM, stop, NULL);
	g_unix_signal_add(SIGINT, stop, NULL);
	if ((result = pc_table_open(&table, NULL)) >= 0) {
		guint source = g_unix_fd_add(pc_table_fd(table), G_IO_IN, readable, table);
		g_timeout_add_seconds(1, second_passed, table);
		g_main_loop_run(loop);
		g_source_remove(source);
	}
	if (result < 0)
		fprintf(stderr, "glib: %s\n", pc_strerror(result));
	pc_table_close(table);
	return result < 0;
}
