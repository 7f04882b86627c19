/* Reads clocks in nanoseconds, and converts the timestamps of events to the time of day. */
#include "pcwatch.h"

#include <stdlib.h>
#include <time.h>

enum { STEPS = 16, EXACT_NS = 100000 };

uint64_t clock_ns(int clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

/* By how much the time of day is ahead of CLOCK_MONOTONIC, and what it was before each step. */
static uint64_t ahead_ns, noted_ns;
static struct {
	uint64_t until_ns, ahead_ns;
} steps[STEPS];
static size_t step_count;

/*
 * Notes how the clocks differ. The difference steps when the time of day is set, and when the
 * machine wakes up, because CLOCK_MONOTONIC stands still while it sleeps. An event may have been
 * queued before the step that pcwatch notices now. When the step occurred between two notes is not
 * known. The middle is assumed: then each event gets the difference of the note that is nearer.
 */
void note_clocks(void)
{
	uint64_t before_ns, time_ns, after_ns;
	int tries = 3;
	do {
		before_ns = now_ns();
		time_ns = clock_ns(CLOCK_REALTIME);
		after_ns = now_ns();
	} while (after_ns - before_ns > EXACT_NS && --tries); /* pcwatch had to wait in between */
	uint64_t now = before_ns + (after_ns - before_ns) / 2, ahead = time_ns - now;
	/* NTP changes the speed of the clocks by less than a millisecond per second. */
	if (noted_ns && llabs((long long)(ahead - ahead_ns)) > (long long)NS_PER_MS) {
		steps[step_count % STEPS].until_ns = noted_ns + (now - noted_ns) / 2;
		steps[step_count++ % STEPS].ahead_ns = ahead_ns;
	}
	ahead_ns = ahead;
	noted_ns = now;
}

uint64_t time_of_day_ns(uint64_t timestamp_ns)
{
	note_clocks();
	for (size_t i = step_count > STEPS ? step_count - STEPS : 0; i < step_count; i++)
		if (timestamp_ns < steps[i % STEPS].until_ns)
			return timestamp_ns + steps[i % STEPS].ahead_ns;
	return timestamp_ns + ahead_ns;
}
