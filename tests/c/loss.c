/* Every loss is announced in time and counted exactly. */
#include "witness.h"

#include <linux/sock_diag.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SMALL_QUEUE = 8192 };

static void check_statistics(const struct reader *reader)
{
	struct pc_stats stats = stats_of(reader->pc);
	CHECK_EQ(stats.received, reader->tally.events);
	CHECK_EQ(stats.lost, reader->tally.lost);
}

/* False if other programs renamed themselves meanwhile. */
static bool is_exact_when_drained(void)
{
	struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, SMALL_QUEUE);
	CHECK_EQ(stats_of(pc).rcvbuf_bytes, SMALL_QUEUE);
	flood(1000);
	struct reader reader = { .pc = pc, .batch = 1 };
	read_until_empty(&reader, 0);
	check_statistics(&reader);
	CHECK(reader.tally.events > 0 && reader.tally.overruns > 0);
	CHECK(reader.tally.events + reader.tally.lost >= 1000);
	bool exact = reader.tally.events + reader.tally.lost == 1000 && reader.tally.overruns == 1 &&
		     read_once(&reader, 0) == 0;
	pc_close(pc);
	return exact;
}

PROMISE(drained, "a drained queue delivers what it held and reports exactly how many more were lost")
{
	int trial = 1;
	while (!is_exact_when_drained())
		CHECK(trial++ < TRIALS);
}

PROMISE(level_triggered, "a level-triggered loop that takes one event per wake-up finds every loss while the queue is readable")
{
	struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, SMALL_QUEUE);
	struct reader reader = { .pc = pc, .batch = 1 };
	for (int round = 0; round < 50; round++) {
		uint64_t overruns = reader.tally.overruns;
		flood(20 + round);
		struct pollfd poll_set = { .fd = pc_fd(pc), .events = POLLIN };
		while (poll(&poll_set, 1, 0) == 1)
			CHECK_EQ(read_once(&reader, 0), 1);
		CHECK(reader.tally.overruns > overruns);
	}
	uint64_t lost = reader.tally.lost;
	read_until_empty(&reader, 0);
	CHECK_EQ(reader.tally.lost, lost);
	check_statistics(&reader);
	pc_close(pc);
}

static void flood_5000(void *unused)
{
	(void)unused;
	flood(5000);
}

PROMISE(edge_triggered, "an edge-triggered loop that drains the queue at each edge finds every event and every loss")
{
	struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, 0);
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event edge = { .events = EPOLLIN | EPOLLET };
	CHECK_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, pc_fd(pc), &edge), 0);
	pid_t child = start_child(flood_5000, NULL);
	uint64_t own = 0;
	while (own < 5000) {
		CHECK_EQ(epoll_wait(epoll, &edge, 1, PATIENCE_MS), 1);
		struct pc_event event;
		int result;
		while ((result = pc_recv(pc, &event, 0)) == 1)
			own += event.kind == PC_EVENT_COMM && pc_event_tgid(&event) == child;
		CHECK_EQ(result, 0);
	}
	CHECK_EQ(own, 5000);
	end_child(child);
	close(epoll);
	pc_close(pc);
}

PROMISE(endless_flood, "a slow reader under an endless flood gets mostly events, and never stalls")
{
	struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, SMALL_QUEUE);
	struct reader reader = { .pc = pc, .batch = 1, .work_ns = 5000 };
	pid_t child = start_flood();
	uint64_t overruns = 0;
	bool after_overrun = false;
	while (reader.tally.events < 20000) {
		CHECK_EQ(read_once(&reader, PATIENCE_MS), 1);
		bool is_overrun = reader.tally.overruns > overruns;
		CHECK(!(after_overrun && is_overrun));
		after_overrun = is_overrun;
		overruns = reader.tally.overruns;
	}
	stop_flood(child);
	CHECK(overruns > 0 && overruns * 2 < reader.tally.events);
	check_statistics(&reader);
	pc_close(pc);
}

PROMISE(default_queue, "the default queue holds 32,000 events of a sleeping reader")
{
	struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, 0);
	if (stats_of(pc).rcvbuf_bytes < DEFAULT_QUEUE)
		skip("without CAP_NET_ADMIN the queue is bounded by net.core.rmem_max");
	flood(32000);
	CHECK(drain(pc) >= 32000);
	CHECK_EQ(stats_of(pc).lost, 0);
	pc_close(pc);
}

/* 0 if other programs renamed themselves meanwhile. The kernel's sizes are multiples of 64. */
static uint32_t charge(void)
{
	struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, 1 << 20);
	uint32_t memory[SK_MEMINFO_VARS];
	socklen_t size = sizeof(memory);
	flood(100);
	CHECK_EQ(getsockopt(pc_fd(pc), SOL_SOCKET, SO_MEMINFO, memory, &size), 0);
	uint32_t used = memory[SK_MEMINFO_RMEM_ALLOC], count = (uint32_t)drain(pc);
	pc_close(pc);
	return used % count == 0 && used / count % 64 == 0 ? used / count : 0;
}

PROMISE(bytes_per_event, "the kernel charges as many bytes for an event as pc_options(3) says, 704 to 1,152")
{
	uint32_t bytes;
	for (int trial = 1; (bytes = charge()) == 0; trial++)
		CHECK(trial < TRIALS);
	printf("# %u bytes per event\n", bytes);
	CHECK(bytes >= 704 && bytes <= 1152);
}

static void flood_once(void *unused)
{
	(void)unused;
	flood(repetitions(200000));
}

struct trial {
	size_t batch; /* 1: pc_recv */
	uint32_t events;
};

/* False if somebody forged messages meanwhile. */
static bool agrees_with_witness(const struct trial *trial, unsigned work_ns)
{
	struct witness witness;
	struct reader reader = { .batch = trial->batch, .work_ns = work_ns };
	uint32_t from[CPUS];
	start_witness(&witness);
	reader.pc = open_connector(trial->events, 0, SMALL_QUEUE);
	cut(&reader);
	memcpy(from, reader.last, sizeof(from));
	reader.tally = (struct tally){ 0 };
	pid_t child = start_child(flood_once, NULL);
	while (waitpid(child, NULL, WNOHANG) == 0)
		CHECK(read_once(&reader, 1) >= 0);
	cut(&reader);
	end_witness(&witness, reader.last);
	uint64_t truth = witnessed(&witness, from, reader.last, trial->events, 0);
	bool forged = witness.forged > 0;
	free_witness(&witness);
	pc_close(reader.pc);
	if (forged)
		return false;
	CHECK_EQ(reader.tally.events + reader.tally.lost, truth);
	CHECK(reader.tally.lost > 0 && reader.tally.events > 0);
	printf("# %zu per call, %s: %llu delivered + %llu lost in %llu overruns = %llu\n",
	       trial->batch, trial->events == PC_MASK_COMM ? "COMM only" : "everything",
	       (unsigned long long)reader.tally.events, (unsigned long long)reader.tally.lost,
	       (unsigned long long)reader.tally.overruns, (unsigned long long)truth);
	return true;
}

static void check_ten_runs(struct trial trial)
{
	const char *runs = getenv("PROMISES_RUNS");
	for (int run = 0; run < (runs ? atoi(runs) : 10);)
		run += agrees_with_witness(&trial, run % 2 ? 5000 : 0);
}

PROMISE(exact_recv, "pc_recv: delivered + lost is what an independent witness saw, with a filter")
{
	check_ten_runs((struct trial){ .batch = 1, .events = PC_MASK_COMM });
}

PROMISE(exact_recv_all, "pc_recv: delivered + lost is what an independent witness saw, without a filter")
{
	check_ten_runs((struct trial){ .batch = 1, .events = PC_MASK_ALL });
}

PROMISE(exact_many, "pc_recv_many: delivered + lost is what an independent witness saw, with a filter")
{
	check_ten_runs((struct trial){ .batch = 64, .events = PC_MASK_COMM });
}

PROMISE(exact_many_all, "pc_recv_many: delivered + lost is what an independent witness saw, without a filter")
{
	check_ten_runs((struct trial){ .batch = 7, .events = PC_MASK_ALL });
}
