/*
 * How to test a program that handles events: without root, without the kernel, in any container.
 * docs/testing.md explains this file.
 */
#include "feed.h"

#include <errno.h>
#include <proc_connector.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- The program: counts the children of one process that fail; a loss makes the count uncertain ---- */

struct count {
	int failed;
	int uncertain;
};

static void take(struct count *count, const struct pc_event *event, pid_t parent)
{
	static pid_t children[64];
	static size_t known;
	if (event->kind == PC_EVENT_FORK && event->data.fork.parent_tgid == parent && known < 64)
		children[known++] = event->data.fork.child_tgid;
	for (size_t i = 0; i < known && event->kind == PC_EVENT_EXIT; i++)
		count->failed += children[i] == event->data.exit.tgid && event->data.exit.exit_code;
	if (event->kind == PC_EVENT_OVERRUN)
		count->uncertain = 1;
}

static int receive(struct pc_connector *pc, struct count *count, pid_t parent)
{
	struct pc_event event;
	int result;
	while ((result = pc_recv(pc, &event, -1)) == 1)
		take(count, &event, parent);
	return result;
}

/* ---- Its test ---- */

static void expect(int good, const char *sentence)
{
	printf("%s - %s\n", good ? "ok" : "not ok", sentence);
	if (!good)
		exit(1);
}

int main(void)
{
	enum { OURS = 100, THEIRS = 200 };
	struct count count = { 0 };
	struct pc_connector *pc;
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return 1;
	expect(pc_open_fd(&pc, ends[0], NULL) == 0, "a socket pair can be adopted");

	feed_fork(ends[1], OURS, 101);
	feed_fork(ends[1], OURS, 102);
	feed_fork(ends[1], THEIRS, 201);
	feed_exec(ends[1], 101);
	feed_exit(ends[1], 101, 3 << 8);
	feed_exit(ends[1], 102, 0);
	feed_exit(ends[1], 201, SIGKILL);
	close(ends[1]);

	expect(receive(pc, &count, OURS) == -EPIPE, "the stream ends when its feeder closes");
	expect(count.failed == 1, "children that fail are counted, others are not");
	pc_close(pc);

	/* A socket pair loses nothing, so the test makes up the overrun, too. */
	struct pc_event overrun = { .kind = PC_EVENT_OVERRUN };
	overrun.data.overrun.lost = 5;
	take(&count, &overrun, OURS);
	expect(count.uncertain, "a loss makes the count uncertain");
	return 0;
}
