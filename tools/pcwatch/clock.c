/* Reads clocks in nanoseconds. */
#include "pcwatch.h"

#include <time.h>

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
