/* How many events a reader gets per second while a flood goes on, at several speeds of its own. */
#include "bench.h"

#include <stdio.h>

static const struct listener *const contestants[] = { &bare_recvfrom, &bare_filtered, &our_recv,
						      &our_recv_many, &bare_recvmmsg };
static int work_ns; /* for each event */

/* How many events come until then. The clock is looked at once in 64 of them. */
static long read_until(const struct listener *listener, void *handle, uint64_t deadline)
{
	long got = 0;
	for (long next = 0; now_ns() < deadline; next = got + BATCH) {
		while (got < next) {
			int events = listener->next(handle);
			got += events;
			if (work_ns > 0)
				work((uint64_t)(events * work_ns));
		}
	}
	return got;
}

static void turn(int i)
{
	/* Small, so that it is full at once: the queue of a reader that cannot keep up. */
	void *handle = contestants[i]->open(1 << 20);
	uint64_t begun = now_ns();
	read_until(contestants[i], handle, begun + 20000000);
	begun = now_ns();
	long got = read_until(contestants[i], handle, begun + (uint64_t)extent(100, 20) * 1000000);
	double seconds = (double)(now_ns() - begun) / 1e9;
	contestants[i]->close(handle);
	char measurement[32];
	snprintf(measurement, sizeof(measurement), "live-%d", work_ns / 1000);
	sample(measurement, contestants[i]->name, (double)got / seconds);
}

void measure_live(void)
{
	pin(WRITER_CPU);
	pid_t writer = start_flood();
	pin(READER_CPU);
	for (int i = 0; i < 3; i++) {
		work_ns = (int[]){ 0, 1000, 5000 }[i];
		alternate(extent(24, 1), sizeof(contestants) / sizeof(contestants[0]), turn);
	}
	stop_flood(writer);
}
