/*
 * An independent witness: a bare socket with a huge queue, emptied by a thread of its own.
 *
 * It and a reader must agree on the events between two cuts. A cut is taken where the reader's
 * queue is empty, and is the last sequence number of each CPU: a CPU's events are queued in order,
 * so whatever it made up to there has been delivered or counted as lost by then.
 */
#ifndef WITNESS_H
#define WITNESS_H

#include "support.h"

#include <pthread.h>
#include <stdatomic.h>

enum { CPUS = 64, WITNESSED = 1 << 23 };

struct witness {
	int fd;
	pthread_t thread;
	const uint32_t *until; /* valid once ending */
	atomic_bool ending;
	uint32_t last[CPUS], newest[CPUS];
	bool heard[CPUS];
	uint64_t missing; /* never made, for lack of memory, or withheld from the witness */
	size_t count, forged; /* forged ones: of those, a reader's lost ones cannot be told apart */
	struct {
		uint32_t seq;
		uint8_t cpu, kind;
		bool thread;
	} *events;
};

void start_witness(struct witness *witness);
/* Ends when everything up to a cut has been seen. */
void end_witness(struct witness *witness, const uint32_t *until);
/* How many events of these kinds, and with these PC_FILTER_* flags, there were between the cuts. */
uint64_t witnessed(const struct witness *witness, const uint32_t *from, const uint32_t *until,
		   uint32_t events, uint32_t flags);
void free_witness(struct witness *witness);

/* What a reader saw. */
struct tally {
	uint64_t events, lost, overruns, last_since_ns;
};

struct reader {
	struct pc_connector *pc;
	size_t batch; /* 1: pc_recv */
	unsigned work_ns; /* spent on each event */
	struct tally tally;
	uint32_t last[CPUS];
	size_t marks; /* received since the cut was begun */
};

void work_for(unsigned ns);
void take(struct reader *reader, const struct pc_event *event);
/* One call. What it returned; events are taken. */
int read_once(struct reader *reader, int timeout_ms);
/* Reads until nothing comes for so long. */
void read_until_empty(struct reader *reader, int timeout_ms);
/*
 * Reads until the queue is empty and each CPU has delivered something after all losses. The reader
 * must hear COMM. Meanwhile it does not wait for a CPU, if it may: other programs would fill its queue.
 */
void cut(struct reader *reader);

#endif
