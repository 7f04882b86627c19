/* What the measurements share: listeners to compare, turns that alternate, samples. */
#ifndef BENCH_H
#define BENCH_H

#include "../tests/c/support.h"

#include <proc_connector.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	WRITER_CPU = 0, /* makes the events */
	READER_CPU = 1, /* takes them */
	BATCH = 64,
	QUEUE = 36 << 20, /* bytes: our default, given to everybody */
};

/* One way to receive events. */
struct listener {
	const char *name;
	void *(*open)(uint32_t rcvbuf_bytes); /* 0: its own default */
	/* Takes this many of the datagrams that wait. A bare loop, without a call in between. */
	long (*drain)(void *handle, long count);
	/* Waits a moment if nothing is there, takes one or a batch; how many events that gave. */
	int (*next)(void *handle);
	int (*fd)(void *handle);
	void (*close)(void *handle);
};

/* listeners.c: the bare loops, and ours in C. */
extern const struct listener bare_recv, bare_recvfrom, bare_again, bare_filtered, bare_recvmmsg,
	bare_enobufs, our_recv, our_recv_many;
void *open_ours(uint32_t rcvbuf_bytes);
void close_ours(void *handle);

/* In every round each contestant has its turn, in the order opposite to the round before. */
void alternate(int rounds, int contestants, void (*turn)(int contestant));

/* Prints one line: measurement, contestant, value. The n-th of each belong together. */
void sample(const char *measurement, const char *contestant, double value);

/* BENCH_QUICK: everything runs once, and small. */
bool quick(void);
/* One of two values: the whole one, or that for a quick run. */
int extent(int whole, int small);

void pin(int cpu);
/* Uses the CPU for so long. */
void work(uint64_t ns);
/* Sets the queue's size as our library does. */
void set_queue(int fd, uint32_t bytes);
/* How many events the kernel could not queue, by its own count. */
uint32_t drops(int fd);

/* The measurements, each in a file of its own. */
void measure_drain(void);
void measure_live(void);
void measure_burst(void);
void measure_filter(void);
void measure_latency(void);
void measure_parse(void);
void measure_calls(void);
void measure_table(void);
void measure_variants(void);
void measure_start(int count, char **programs);
/* A small part of drain and parse, for a simulator that counts instructions. */
void count_drain(void);
void count_parse(void);

#endif
