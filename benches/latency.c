/* From an event's own timestamp to the return of the call that delivers it. */
#include "bench.h"

#include <linux/cn_proc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 1000 };
static uint64_t latencies[EVENTS];
static const char *load;

static void rename_now_and_then(void *unused)
{
	(void)unused;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_TIMERSLACK, 1);
	for (;;) {
		nanosleep(&(struct timespec){ .tv_nsec = 50000 }, NULL);
		flood(1);
	}
}

static void spin(void *unused)
{
	(void)unused;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (volatile int i = 0;; i++)
		;
}

static void read_bare(int count)
{
	void *handle = bare_recv.open(QUEUE);
	struct pollfd set = { .fd = bare_recv.fd(handle), .events = POLLIN };
	for (int i = 0; i < count; i++) {
		unsigned char datagram[256];
		CHECK_EQ(poll(&set, 1, -1), 1);
		CHECK(recv(set.fd, datagram, sizeof(datagram), 0) >= EVENT_SIZE);
		uint64_t timestamp;
		memcpy(&timestamp, datagram + 44, sizeof(timestamp));
		latencies[i] = now_ns() - timestamp;
	}
	bare_recv.close(handle);
}

static void read_ours(int count)
{
	struct pc_connector *pc = open_connector(0, 0, 0);
	struct epoll_event ready = { .events = EPOLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	CHECK_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, pc_fd(pc), &ready), 0);
	for (int i = 0; i < count; i++) {
		struct pc_event event;
		CHECK_EQ(epoll_wait(epoll, &ready, 1, -1), 1);
		CHECK_EQ(pc_recv(pc, &event, 0), 1);
		latencies[i] = now_ns() - event.timestamp_ns;
	}
	close(epoll);
	pc_close(pc);
}

static const struct {
	const char *name;
	void (*read)(int count);
} contestants[] = {
	{ "poll+recv again", read_bare },
	{ "poll+recv", read_bare },
	{ "pc_recv", read_ours },
};

static int ascending(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
	return (a > b) - (a < b);
}

static void turn(int i)
{
	int count = extent(EVENTS, 100);
	contestants[i].read(count);
	qsort(latencies, (size_t)count, sizeof(latencies[0]), ascending);
	char measurement[32];
	for (int percentile = 50; percentile < 100; percentile += 49) {
		snprintf(measurement, sizeof(measurement), "p%d-%s", percentile, load);
		sample(measurement, contestants[i].name, (double)latencies[count * percentile / 100] / 1e3);
	}
}

void measure_latency(void)
{
	pin(WRITER_CPU);
	pid_t writer = start_child(rename_now_and_then, NULL);
	pin(READER_CPU);
	load = "idle";
	alternate(extent(60, 1), 3, turn);
	load = "busy";
	pid_t spinner = start_child(spin, NULL); /* on the reader's CPU */
	alternate(extent(60, 1), 3, turn);
	stop_flood(spinner);
	stop_flood(writer);
}
