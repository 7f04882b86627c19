/* Every loss is announced in time and counted exactly. */
#include "support.h"

#include <linux/cn_proc.h>
#include <poll.h>
#include <pthread.h>
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
 * An independent witness: a bare socket with a huge queue, emptied by a thread of its own. It and
 * the reader count the events from one mark to the next; a mark is a COMM event with a name of its
 * own, made while the reader's queue is empty.
 */
struct witness {
	int fd;
	bool comm_only;
	pthread_t thread;
	uint64_t between;     /* events between the marks */
	uint64_t previous_ns; /* timestamp of the event before */
	uint64_t mark_ns;     /* and of the last mark */
	bool counting, disturbed, done;
};

#define BEGIN_MARK "pc-mark-begin"
#define END_MARK "pc-mark-end"
enum { QUIET_NS = 100000 };

static void witness_one(struct witness *witness, const unsigned char *datagram)
{
	uint32_t what;
	uint64_t timestamp;
	memcpy(&what, datagram + 36, 4);
	memcpy(&timestamp, datagram + 44, 8);
	bool is_comm = what == PROC_EVENT_COMM;
	if (what == PROC_EVENT_NONE || (witness->comm_only && !is_comm))
		return;
	const char *name = (const char *)datagram + 60;
	bool begins = is_comm && strcmp(name, BEGIN_MARK) == 0;
	bool ends = is_comm && strcmp(name, END_MARK) == 0;
	/* Two CPUs' events next to a mark may be queued in another order on another socket. */
	uint64_t neighbour = begins || ends ? witness->previous_ns : witness->mark_ns;
	if (neighbour && timestamp - neighbour + QUIET_NS < 2 * QUIET_NS)
		witness->disturbed = true;
	if (begins || ends)
		witness->mark_ns = timestamp;
	witness->previous_ns = timestamp;
	witness->between += witness->counting && !ends;
	witness->counting = begins || (witness->counting && !ends);
	witness->done |= ends;
}

static void *bear_witness(void *argument)
{
	enum { BATCH = 256 };
	struct witness *witness = argument;
	static unsigned char datagrams[BATCH][128];
	static struct iovec vectors[BATCH];
	static struct mmsghdr headers[BATCH];
	for (int i = 0; i < BATCH; i++) {
		vectors[i] = (struct iovec){ datagrams[i], sizeof(datagrams[i]) };
		headers[i].msg_hdr = (struct msghdr){ .msg_iov = &vectors[i], .msg_iovlen = 1 };
	}
	while (!witness->done) {
		int received = recvmmsg(witness->fd, headers, BATCH, MSG_DONTWAIT, NULL);
		if (received < 0)
			usleep(1000);
		for (int i = 0; i < received; i++)
			witness_one(witness, datagrams[i]);
	}
	return NULL;
}

static void start_witness(struct witness *witness, bool comm_only)
{
	*witness = (struct witness){ .fd = raw_socket(true), .comm_only = comm_only };
	int size = 1 << 29;
	if (setsockopt(witness->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0)
		skip("a witness with a huge queue needs CAP_NET_ADMIN");
	CHECK_EQ(pthread_create(&witness->thread, NULL, bear_witness, witness), 0);
}

static void end_witness(struct witness *witness)
{
	pthread_join(witness->thread, NULL);
	uint32_t info[9] = { 0 };
	socklen_t size = sizeof(info);
	CHECK_EQ(getsockopt(witness->fd, SOL_SOCKET, SO_MEMINFO, info, &size), 0);
	CHECK_EQ(info[8], 0); /* SK_MEMINFO_DROPS */
	close(witness->fd);
}

/* With nothing else near it, if the machine is quiet. */
static void make_mark(const char *name)
{
	usleep(2000);
	rename_self(name);
	usleep(2000);
}

static bool is_mark(const struct pc_event *event, const char *name)
{
	return event->kind == PC_EVENT_COMM && strcmp(event->data.comm.comm, name) == 0;
}

struct trial {
	size_t batch; /* 1: pc_recv */
	bool comm_only;
	unsigned reader_ns;
};

static void flood_once(void *unused)
{
	(void)unused;
	const char *events = getenv("PROMISES_FLOOD");
	flood(events ? atol(events) : 200000);
}

/* What the reader sees between the marks, while a child floods it. */
static struct tally read_between_marks(struct pc_connector *pc, const struct trial *trial)
{
	struct tally tally = { 0 };
	struct pc_event events[64];
	bool counting = false;
	make_mark(BEGIN_MARK);
	pid_t child = start_child(flood_once, NULL);
	for (int pauses = 0;;) {
		int result = trial->batch == 1 ? pc_recv(pc, events, 100)
					       : pc_recv_many(pc, events, trial->batch, 100);
		CHECK(result >= 0);
		for (int i = 0; i < result; i++) {
			if (counting && is_mark(&events[i], END_MARK))
				return tally;
			if (counting)
				count(&tally, &events[i]);
			counting |= is_mark(&events[i], BEGIN_MARK);
			work_for(trial->reader_ns);
		}
		/* The queue is empty: what is made now has its place in it. */
		if (result == 0 && pauses++ == 0)
			end_child(child);
		else if (result == 0)
			make_mark(END_MARK);
	}
}

/* True if nothing disturbed the marks; then witness and reader agree. */
static bool agrees_with_witness(const struct trial *trial)
{
	struct witness witness;
	start_witness(&witness, trial->comm_only);
	struct pc_connector *pc =
		open_connector(trial->comm_only ? PC_MASK_COMM : 0, 0, SMALL_QUEUE);
	drain(pc);
	struct tally tally = read_between_marks(pc, trial);
	end_witness(&witness);
	pc_close(pc);
	if (witness.disturbed)
		return false;
	CHECK_EQ(tally.events + tally.lost, witness.between);
	CHECK(tally.lost > 0 && tally.events > 0);
	printf("# %zu per call, %s: %llu delivered + %llu lost in %llu overruns = %llu\n",
	       trial->batch, trial->comm_only ? "COMM only" : "everything",
	       (unsigned long long)tally.events, (unsigned long long)tally.lost,
	       (unsigned long long)tally.overruns, (unsigned long long)witness.between);
	return true;
}

static void check_ten_runs(struct trial trial)
{
	const char *runs = getenv("PROMISES_RUNS");
	int wanted = runs ? atoi(runs) : 10;
	for (int run = 0, attempts = 0; run < wanted; attempts++) {
		CHECK(attempts < 10 * wanted);
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
