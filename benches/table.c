/* The process table: all of /proc, and each beginning and end. */
#include "bench.h"

#include <malloc.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void follow(struct pc_table *table, uint32_t until)
{
	struct pc_change change = { 0 };
	while (change.kind != until)
		CHECK(pc_table_next(table, &change, -1) >= 0);
}

static struct pc_table *open_table(uint32_t fields)
{
	struct pc_table *table;
	struct pc_table_options options = PC_TABLE_OPTIONS_INIT;
	options.fields = fields;
	CHECK_EQ(pc_table_open(&table, &options), 0);
	return table;
}

static size_t heap_bytes(void)
{
	struct mallinfo2 heap = mallinfo2();
	return heap.uordblks + heap.hblkhd;
}

static void scan_turn(int i)
{
	static const char *const names[] = { "ps -e", "all fields", "without credentials" };
	uint64_t begun = now_ns();
	if (i == 0) {
		CHECK_EQ(system("exec ps -e >/dev/null"), 0);
		sample("scan", names[i], (double)(now_ns() - begun) / 1e6);
		return;
	}
	size_t before = heap_bytes();
	struct pc_table *table = open_table(i == 1 ? 0 : PC_FIELD_COMM | PC_FIELD_SESSION);
	follow(table, PC_CHANGE_SYNCED);
	sample("scan", names[i], (double)(now_ns() - begun) / 1e6);
	sample("memory", names[i], (double)(heap_bytes() - before) / (double)pc_table_count(table));
	pc_table_close(table);
}

/* Processes that begin and end while the reader is busy with something else. */
static void make_processes(int count)
{
	for (int i = 0; i < count; i++) {
		pid_t child = fork();
		if (child == 0)
			_exit(0);
		CHECK_EQ(end_child(child), 0);
	}
}

static void follow_turn(int i)
{
	int count = extent(2000, 10);
	struct pc_connector *pc = NULL;
	struct pc_table *table = NULL;
	if (i == 0)
		pc = open_connector(PC_MASK_FORK | PC_MASK_EXIT, PC_FILTER_NO_THREADS, 0);
	else
		follow(table = open_table(0), PC_CHANGE_SYNCED);
	make_processes(count);
	uint64_t begun = now_ns();
	struct pc_event event;
	struct pc_change change;
	while (i == 0 ? pc_recv(pc, &event, 0) > 0 : pc_table_next(table, &change, 1) > 0)
		;
	sample("follow", i == 0 ? "pc_recv" : "pc_table_next",
	       (double)(now_ns() - begun) / 1e3 / (2 * count));
	pc_close(pc);
	pc_table_close(table);
}

void measure_table(void)
{
	int count = extent(10000, 10);
	pid_t *children = calloc((size_t)count, sizeof(*children));
	for (int i = 0; i < count; i++)
		if ((children[i] = fork()) == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			pause();
			_exit(0);
		}
	alternate(extent(10, 1), 3, scan_turn);
	for (int i = 0; i < count; i++)
		kill(children[i], SIGKILL);
	for (int i = 0; i < count; i++)
		end_child(children[i]);
	free(children);
	alternate(extent(10, 1), 2, follow_turn);
}
