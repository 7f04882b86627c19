/* What calls outside the receive path cost, and what it costs a program to start with a library. */
#include "bench.h"

#include <libgen.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

extern char **environ;

static void turn(int i)
{
	const struct listener *listener = i == 0 ? &bare_recv : &our_recv;
	uint64_t begun = now_ns();
	void *handle = listener->open(QUEUE);
	uint64_t opened = now_ns();
	if (i == 1)
		CHECK_EQ(pc_check(handle), 0);
	uint64_t checked = now_ns();
	listener->close(handle);
	sample("open", i == 0 ? "socket, bind, send" : "pc_open", (double)(opened - begun) / 1e3);
	if (i == 1)
		sample("check", "pc_check", (double)(checked - opened) / 1e3);
}

void measure_calls(void)
{
	pin(READER_CPU);
	alternate(extent(1000, 1), 2, turn);
}

static char **programs;

static void start(int i)
{
	uint64_t begun = now_ns();
	pid_t child;
	char *arguments[] = { programs[i], NULL };
	CHECK_EQ(posix_spawn(&child, programs[i], NULL, NULL, arguments, environ), 0);
	CHECK_EQ(end_child(child), 0);
	sample("start", basename(programs[i]), (double)(now_ns() - begun) / 1e3);
}

void measure_start(int count, char **them)
{
	pin(READER_CPU);
	programs = them;
	alternate(extent(200, 1), count, start);
}
