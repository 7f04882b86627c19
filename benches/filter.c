/*
 * What it costs to listen for the exec and exit of processes only, while others make very many
 * other events: the listener's CPU time, and how much it slows the others down.
 */
#include "bench.h"
#include "peers.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

static void *open_filtered(uint32_t rcvbuf_bytes)
{
	return open_connector(PC_MASK_EXEC | PC_MASK_EXIT, PC_FILTER_NO_THREADS, rcvbuf_bytes);
}

static long watch_ours(void *handle, const pid_t *last)
{
	struct pc_event events[BATCH];
	long count = 0;
	for (;;) {
		int taken = pc_recv_many(handle, events, BATCH, -1);
		for (int i = 0; i < taken; i++) {
			bool ended = events[i].kind == PC_EVENT_EXIT;
			count += ended || events[i].kind == PC_EVENT_EXEC;
			if (ended && events[i].data.exit.tgid == *(const volatile pid_t *)last)
				return count;
		}
	}
}

static const struct job {
	const char *name;
	void *(*open)(uint32_t rcvbuf_bytes);
	long (*watch)(void *handle, const pid_t *last);
	void (*close)(void *handle);
} jobs[] = {
	{ .name = "nobody" },
	{ "our filter", open_filtered, watch_ours, close_ours },
	{ "proc-connector", peer_open, peer_watch, peer_close },
	{ "ours, unfiltered", open_ours, watch_ours, close_ours },
};

static pid_t last; /* the process whose EXIT ends the job */

struct watcher {
	const struct job *job;
	void *handle;
	double cpu_ms;
};

static void *run(void *argument)
{
	struct watcher *watcher = argument;
	pin(READER_CPU);
	watcher->job->watch(watcher->handle, &last);
	struct timespec used;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	watcher->cpu_ms = (double)used.tv_sec * 1e3 + (double)used.tv_nsec / 1e6;
	return NULL;
}

static void nothing(void *unused)
{
	(void)unused;
}

static void *end_at_once(void *unused)
{
	return unused;
}

/* Ends processes until the watcher has seen one. */
static void finish(pthread_t thread)
{
	struct timespec until;
	do {
		*(volatile pid_t *)&last = start_child(nothing, NULL);
		end_child(last);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += 1;
	} while (pthread_timedjoin_np(thread, NULL, &until) == ETIMEDOUT);
}

static void turn(int i)
{
	const struct job *job = &jobs[i];
	struct watcher watcher = { .job = job };
	pthread_t thread;
	if (job->watch) {
		watcher.handle = job->open(QUEUE);
		CHECK_EQ(pthread_create(&thread, NULL, run, &watcher), 0);
	}
	int renames = extent(1000000, 10000), threads = extent(10000, 100);
	uint64_t begun = now_ns();
	flood(renames);
	double ns = (double)(now_ns() - begun) / renames;
	for (int n = 0; n < threads; n++) {
		pthread_t other;
		CHECK_EQ(pthread_create(&other, NULL, end_at_once, NULL), 0);
		pthread_join(other, NULL);
	}
	sample("writer", job->name, ns);
	if (job->watch) {
		finish(thread);
		job->close(watcher.handle);
		sample("cpu", job->name, watcher.cpu_ms);
	}
}

void measure_filter(void)
{
	pin(WRITER_CPU);
	alternate(extent(6, 1), sizeof(jobs) / sizeof(jobs[0]), turn);
}
