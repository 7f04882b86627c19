/* bench MEASUREMENT: prints samples, which report.py turns into a page. */
#include "bench.h"

#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

void alternate(int rounds, int contestants, void (*turn)(int contestant))
{
	for (int round = 0; round < rounds; round++)
		for (int i = 0; i < contestants; i++)
			turn(round % 2 == 0 ? i : contestants - 1 - i);
}

void sample(const char *measurement, const char *contestant, double value)
{
	printf("%s\t%s\t%.6g\n", measurement, contestant, value);
}

bool quick(void)
{
	return getenv("BENCH_QUICK") != NULL;
}

int extent(int whole, int small)
{
	return quick() ? small : whole;
}

void pin(int cpu)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	/* Where there is no second CPU, the only one does all. */
	if (sched_setaffinity(0, sizeof(set), &set) != 0)
		CHECK_EQ(cpu, READER_CPU);
}

void work(uint64_t ns)
{
	for (uint64_t end = now_ns() + ns; now_ns() < end;)
		;
}

void set_queue(int fd, uint32_t bytes)
{
	int half = (int)(bytes / 2);
	if (bytes > 0)
		CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &half, sizeof(half)), 0);
}

uint32_t drops(int fd)
{
	uint32_t memory[SK_MEMINFO_VARS];
	socklen_t size = sizeof(memory);
	CHECK_EQ(getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory, &size), 0);
	return memory[SK_MEMINFO_DROPS];
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*measure)(void);
	} measurements[] = {
		{ "drain", measure_drain },	{ "live", measure_live },
		{ "burst", measure_burst },	{ "filter", measure_filter },
		{ "latency", measure_latency }, { "parse", measure_parse },
		{ "calls", measure_calls },	{ "count-drain", count_drain },
		{ "count-parse", count_parse },	{ "table", measure_table },
		{ "variants", measure_variants },
	};
	setvbuf(stdout, NULL, _IOLBF, 0); /* else forked children print it again */
	if (argc > 2 && strcmp(argv[1], "start") == 0) {
		measure_start(argc - 2, argv + 2);
		return 0;
	}
	for (size_t i = 0; argc == 2 && i < sizeof(measurements) / sizeof(measurements[0]); i++) {
		if (strcmp(argv[1], measurements[i].name) == 0) {
			measurements[i].measure();
			return 0;
		}
	}
	fprintf(stderr, "usage: bench MEASUREMENT, or bench start PROGRAM ...\n");
	return 2;
}
