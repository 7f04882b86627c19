/* Every loss is announced in time and counted exactly. */
#include "support.h"

#include <linux/cn_proc.h>
#include <linux/netlink.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SMALL_QUEUE = 8192 };

/* What a reader saw. */
struct tally {
	uint64_t events, lost, overruns, last_since_ns;
};

static void count(struct tally *tally, const struct pc_event *event)
{
	if (event->kind != PC_EVENT_OVERRUN) {
		tally->events++;
		return;
	}
	CHECK_EQ(event->data.overrun.reason, PC_LOST_QUEUE);
	CHECK(event->data.overrun.lost > 0);
	/* The blind windows follow each other. */
	CHECK(event->data.overrun.since_ns >= tally->last_since_ns);
	CHECK(event->data.overrun.since_ns < event->timestamp_ns);
	CHECK(event->timestamp_ns <= now_ns());
	tally->last_since_ns = event->data.overrun.since_ns;
	tally->lost += event->data.overrun.lost;
	tally->overruns++;
}

static void work_for(unsigned ns)
{
	for (uint64_t until = now_ns() + ns; now_ns() < until;)
		;
}

static void check_books(struct pc_connector *pc, const struct tally *tally)
{
	struct pc_stats stats = stats_of(pc);
	CHECK_EQ(stats.received, tally->events);
	CHECK_EQ(stats.lost, tally->lost);
}

PROMISE(drained, "a drained queue delivers what it held and announces the rest exactly")
{
	struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, SMALL_QUEUE);
	CHECK_EQ(stats_of(pc).rcvbuf_bytes, SMALL_QUEUE);
	flood(1000);
	struct tally tally = { 0 };
	struct pc_event event;
	while (pc_recv(pc, &event, 0) == 1)
		count(&tally, &event);
	CHECK(tally.events > 0 && tally.overruns == 1);
	CHECK(tally.events + tally.lost >= 1000);
	check_books(pc, &tally);
	CHECK_EQ(pc_recv(pc, &event, 0), 0);
	pc_close(pc);
}

PROMISE(level_triggered, "one event per level-triggered wake-up still finds every loss while the queue is readable")
{
	struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, SMALL_QUEUE);
	struct tally tally = { 0 };
	for (int round = 0; round < 50; round++) {
		uint64_t overruns = tally.overruns;
		flood(20 + round);
		struct pollfd poll_set = { .fd = pc_fd(pc), .events = POLLIN };
		struct pc_event event;
		while (poll(&poll_set, 1, 0) == 1) {
			CHECK_EQ(pc_recv(pc, &event, 0), 1);
			count(&tally, &event);
		}
		CHECK(tally.overruns > overruns);
	}
	struct pc_event event;
	CHECK_EQ(pc_recv(pc, &event, 0), 0);
	check_books(pc, &tally);
	pc_close(pc);
}

static void flood_5000(void *unused)
{
	(void)unused;
	flood(5000);
}

PROMISE(edge_triggered, "draining at each edge finds everything")
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
	pid_t child = start_flood();
	struct tally tally = { 0 };
	struct pc_event event;
	bool after_overrun = false;
	while (tally.events < 20000) {
		CHECK_EQ(pc_recv(pc, &event, PATIENCE_MS), 1);
		bool is_overrun = event.kind == PC_EVENT_OVERRUN;
		CHECK(!(after_overrun && is_overrun));
		after_overrun = is_overrun;
		count(&tally, &event);
		work_for(5000);
	}
	stop_flood(child);
	CHECK(tally.overruns > 0);
	CHECK(tally.overruns * 2 < tally.events);
	pc_close(pc);
}

PROMISE(default_queue, "the default queue holds 30,000 events of a sleeping reader")
{
	struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, 0);
	if (stats_of(pc).rcvbuf_bytes < 32u << 20)
		skip("without CAP_NET_ADMIN the queue is bounded by net.core.rmem_max");
	flood(30000);
	CHECK(drain(pc) >= 30000);
	CHECK_EQ(stats_of(pc).lost, 0);
	pc_close(pc);
}

/*
 * An independent witness: a bare socket with a huge queue, emptied by a thread of its own.
 *
 * It and the reader must agree on the events between two cuts. A cut is taken where the reader's
 * queue is empty, and is the last sequence number of each CPU: a CPU's events are queued in order,
 * so whatever it made up to there has been delivered or counted as lost by then.
 */
enum { CPUS = 64, WITNESSED = 1 << 23 };

struct witness {
	int fd;
	bool comm_only;
	pthread_t thread;
	const uint32_t *until; /* NULL: go on */
	atomic_bool ending;
	uint32_t last[CPUS];
	size_t count, forged;
	struct {
		uint32_t cpu, seq;
	} *events;
};

static void witness_one(struct witness *witness, const unsigned char *datagram)
{
	uint32_t what, cpu, seq;
	memcpy(&seq, datagram + 24, 4);
	memcpy(&what, datagram + 36, 4);
	memcpy(&cpu, datagram + 40, 4);
	if (what == PROC_EVENT_NONE || (witness->comm_only && what != PROC_EVENT_COMM))
		return;
	CHECK(cpu < CPUS && witness->count < WITNESSED);
	witness->last[cpu] = seq;
	witness->events[witness->count].cpu = cpu;
	witness->events[witness->count++].seq = seq;
}

/* Whether everything up to the final cut has been seen. */
static bool is_done(const struct witness *witness)
{
	if (!atomic_load(&witness->ending))
		return false;
	for (int cpu = 0; cpu < CPUS; cpu++)
		if ((int32_t)(witness->until[cpu] - witness->last[cpu]) > 0)
			return false;
	return true;
}

static void *bear_witness(void *argument)
{
	enum { BATCH = 256 };
	struct witness *witness = argument;
	static unsigned char datagrams[BATCH][128];
	static struct iovec vectors[BATCH];
	static struct sockaddr_nl senders[BATCH];
	static struct mmsghdr headers[BATCH];
	for (int i = 0; i < BATCH; i++) {
		vectors[i] = (struct iovec){ datagrams[i], sizeof(datagrams[i]) };
		headers[i].msg_hdr = (struct msghdr){ .msg_iov = &vectors[i],
						      .msg_iovlen = 1,
						      .msg_name = &senders[i],
						      .msg_namelen = sizeof(senders[i]) };
	}
	while (!is_done(witness)) {
		int received = recvmmsg(witness->fd, headers, BATCH, MSG_DONTWAIT, NULL);
		if (received < 0)
			usleep(1000);
		for (int i = 0; i < received; i++)
			if (senders[i].nl_pid == 0)
				witness_one(witness, datagrams[i]);
			else
				witness->forged++;
	}
	return NULL;
}

static void start_witness(struct witness *witness, bool comm_only)
{
	*witness = (struct witness){ .fd = raw_socket(true), .comm_only = comm_only };
	witness->events = calloc(WITNESSED, sizeof(*witness->events));
	CHECK(witness->events != NULL);
	int size = 1 << 29;
	if (setsockopt(witness->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0)
		skip("a witness with a huge queue needs CAP_NET_ADMIN");
	CHECK_EQ(pthread_create(&witness->thread, NULL, bear_witness, witness), 0);
}

/* How many events there were between the cuts. */
static uint64_t end_witness(struct witness *witness, const uint32_t *from, const uint32_t *until)
{
	witness->until = until;
	atomic_store(&witness->ending, true);
	pthread_join(witness->thread, NULL);
	uint32_t info[9] = { 0 };
	socklen_t size = sizeof(info);
	CHECK_EQ(getsockopt(witness->fd, SOL_SOCKET, SO_MEMINFO, info, &size), 0);
	CHECK_EQ(info[8], 0); /* SK_MEMINFO_DROPS */
	uint64_t between = 0;
	for (size_t i = 0; i < witness->count; i++) {
		uint32_t cpu = witness->events[i].cpu, seq = witness->events[i].seq;
		between += (int32_t)(seq - from[cpu]) > 0 && (int32_t)(until[cpu] - seq) >= 0;
	}
	free(witness->events);
	close(witness->fd);
	return between;
}

struct trial {
	size_t batch; /* 1: pc_recv */
	bool comm_only;
	unsigned reader_ns;
};

struct reader {
	struct pc_connector *pc;
	const struct trial *trial;
	struct tally tally;
	uint32_t last[CPUS];
};

/* Reads until nothing comes for so long. */
static void read_until_empty(struct reader *reader, int timeout_ms)
{
	struct pc_event events[64];
	for (;;) {
		int result = reader->trial->batch == 1
				     ? pc_recv(reader->pc, events, timeout_ms)
				     : pc_recv_many(reader->pc, events, reader->trial->batch,
						    timeout_ms);
		CHECK(result >= 0);
		if (result == 0)
			return;
		for (int i = 0; i < result; i++) {
			count(&reader->tally, &events[i]);
			if (events[i].kind != PC_EVENT_OVERRUN)
				reader->last[events[i].cpu] = events[i].seq;
			work_for(reader->trial->reader_ns);
		}
	}
}

/* Reads until the queue is empty and each CPU has delivered something after all losses. */
static void cut(struct reader *reader)
{
	cpu_set_t all, one;
	uint64_t lost;
	CHECK_EQ(sched_getaffinity(0, sizeof(all), &all), 0);
	do {
		read_until_empty(reader, 0);
		lost = reader->tally.lost;
		for (size_t cpu = 0; cpu < CPUS; cpu++) {
			CPU_ZERO(&one);
			CPU_SET(cpu, &one);
			if (CPU_ISSET(cpu, &all) && sched_setaffinity(0, sizeof(one), &one) == 0)
				rename_self("mark");
		}
		CHECK_EQ(sched_setaffinity(0, sizeof(all), &all), 0);
		read_until_empty(reader, 0);
	} while (reader->tally.lost != lost);
}

static void flood_once(void *unused)
{
	(void)unused;
	const char *events = getenv("PROMISES_FLOOD");
	flood(events ? atol(events) : 200000);
}

/* False if somebody forged messages meanwhile: of those, the lost ones cannot be told apart. */
static bool agrees_with_witness(const struct trial *trial)
{
	struct witness witness;
	struct reader reader = { .trial = trial };
	start_witness(&witness, trial->comm_only);
	reader.pc = open_connector(trial->comm_only ? PC_MASK_COMM : 0, 0, SMALL_QUEUE);
	uint32_t from[CPUS];
	cut(&reader);
	memcpy(from, reader.last, sizeof(from));
	reader.tally = (struct tally){ 0 };
	pid_t child = start_child(flood_once, NULL);
	read_until_empty(&reader, 100);
	end_child(child);
	cut(&reader);
	uint64_t truth = end_witness(&witness, from, reader.last);
	pc_close(reader.pc);
	if (witness.forged)
		return false;
	CHECK_EQ(reader.tally.events + reader.tally.lost, truth);
	CHECK(reader.tally.lost > 0 && reader.tally.events > 0);
	printf("# %zu per call, %s: %llu delivered + %llu lost in %llu overruns = %llu\n",
	       trial->batch, trial->comm_only ? "COMM only" : "everything",
	       (unsigned long long)reader.tally.events, (unsigned long long)reader.tally.lost,
	       (unsigned long long)reader.tally.overruns, (unsigned long long)truth);
	return true;
}

static void check_ten_runs(struct trial trial)
{
	const char *runs = getenv("PROMISES_RUNS");
	for (int run = 0; run < (runs ? atoi(runs) : 10);) {
		trial.reader_ns = run % 2 ? 5000 : 0;
		run += agrees_with_witness(&trial);
	}
}

PROMISE(exact_recv, "pc_recv: delivered + lost is what an independent witness saw, with a filter")
{
	check_ten_runs((struct trial){ .batch = 1, .comm_only = true });
}

PROMISE(exact_recv_all, "pc_recv: delivered + lost is what an independent witness saw, without a filter")
{
	check_ten_runs((struct trial){ .batch = 1 });
}

PROMISE(exact_many, "pc_recv_many: delivered + lost is what an independent witness saw, with a filter")
{
	check_ten_runs((struct trial){ .batch = 64, .comm_only = true });
}

PROMISE(exact_many_all, "pc_recv_many: delivered + lost is what an independent witness saw, without a filter")
{
	check_ten_runs((struct trial){ .batch = 7 });
}
