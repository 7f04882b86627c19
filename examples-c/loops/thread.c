/*
 * Process events in a thread of their own. The main thread waits for signals and, once a second, asks
 * whether the kernel still reports. It wakes the other by pc_interrupt().
 */
#include "processes.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static struct pc_connector *pc;
static atomic_bool stopping;

/* The picture is this thread's alone. It waits for one event, and takes what has come with it. */
static void *receive(void *result)
{
	struct pc_event event;
	int got = 0;
	while (!stopping && got >= 0) {
		got = pc_recv(pc, &event, got > 0 ? 0 : -1);
		if (got < 0 && got != -ECANCELED) {
			fprintf(stderr, "pc_recv: %s\n", pc_strerror(got));
			break;
		}
		processes_take(&event, got == 1);
		got = processes_drain(pc);
	}
	*(int *)result = got;
	kill(getpid(), SIGTERM); /* an error ends the main thread, too */
	return NULL;
}

int main(void)
{
	sigset_t stop;
	sigemptyset(&stop);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &stop, NULL); /* before the thread, which inherits it */
	if (processes_open(&pc) < 0)
		return 1;
	int result = 0;
	pthread_t receiver;
	if (pthread_create(&receiver, NULL, receive, &result) != 0) {
		fputs("pthread_create failed\n", stderr);
		return 1;
	}

	const struct timespec second = { .tv_sec = 1 };
	while (sigtimedwait(&stop, NULL, &second) < 0) {
		/* What it found out is in the stream, but wakes nobody. */
		if (pc_check(pc) == 1)
			pc_interrupt(pc);
	}
	stopping = true; /* before the interrupt, which may be one of many */
	pc_interrupt(pc);
	pthread_join(receiver, NULL);
	pc_close(pc);
	return result < 0;
}
