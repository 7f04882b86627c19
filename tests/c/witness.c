#include "witness.h"

#include <errno.h>
#include <linux/cn_proc.h>
#include <linux/netlink.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static const uint32_t WHATS[] = {
	[PC_EVENT_FORK] = PROC_EVENT_FORK,	   [PC_EVENT_EXEC] = PROC_EVENT_EXEC,
	[PC_EVENT_EXIT] = PROC_EVENT_EXIT,	   [PC_EVENT_UID] = PROC_EVENT_UID,
	[PC_EVENT_GID] = PROC_EVENT_GID,	   [PC_EVENT_SID] = PROC_EVENT_SID,
	[PC_EVENT_PTRACE] = PROC_EVENT_PTRACE,	   [PC_EVENT_COMM] = PROC_EVENT_COMM,
	[PC_EVENT_COREDUMP] = PROC_EVENT_COREDUMP,
};

static uint32_t word(const unsigned char *datagram, size_t offset)
{
	uint32_t value;
	memcpy(&value, datagram + offset, sizeof(value));
	return value;
}

static void witness_one(struct witness *witness, const unsigned char *datagram)
{
	uint32_t seq = word(datagram, 24), what = word(datagram, 36), cpu = word(datagram, 40);
	CHECK(cpu < CPUS);
	/* Acknowledgements are numbered too, so that nothing may be missing. */
	if (witness->heard[cpu])
		witness->missing += seq - witness->newest[cpu] - 1;
	witness->heard[cpu] = true;
	witness->newest[cpu] = seq;
	if (what == PROC_EVENT_NONE)
		return;
	CHECK(witness->count < WITNESSED);
	uint8_t kind = PC_EVENT_FORK;
	while (kind <= PC_EVENT_COREDUMP && WHATS[kind] != what)
		kind++;
	size_t ids = kind == PC_EVENT_FORK ? 60 : 52;
	witness->last[cpu] = seq;
	witness->events[witness->count].seq = seq;
	witness->events[witness->count].cpu = (uint8_t)cpu;
	witness->events[witness->count].kind = kind;
	witness->events[witness->count++].thread = word(datagram, ids) != word(datagram, ids + 4);
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

void start_witness(struct witness *witness)
{
	*witness = (struct witness){ .fd = raw_socket(false) };
	witness->events = calloc(WITNESSED, sizeof(*witness->events));
	CHECK(witness->events != NULL);
	int size = 1 << 29;
	if (setsockopt(witness->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0)
		skip("a witness with a huge queue needs CAP_NET_ADMIN");
	/* It joins when it has room: the events of others soon fill a queue of the usual size. */
	int group = 1;
	CHECK_EQ(setsockopt(witness->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)), 0);
	CHECK_EQ(pthread_create(&witness->thread, NULL, bear_witness, witness), 0);
}

void end_witness(struct witness *witness, const uint32_t *until)
{
	witness->until = until;
	atomic_store(&witness->ending, true);
	pthread_join(witness->thread, NULL);
	uint32_t info[9] = { 0 };
	socklen_t size = sizeof(info);
	CHECK_EQ(getsockopt(witness->fd, SOL_SOCKET, SO_MEMINFO, info, &size), 0);
	CHECK_EQ(info[8], 0); /* SK_MEMINFO_DROPS */
	close(witness->fd);
}

uint64_t witnessed(const struct witness *witness, const uint32_t *from, const uint32_t *until,
		   uint32_t events, uint32_t flags)
{
	uint64_t between = 0;
	for (size_t i = 0; i < witness->count; i++) {
		uint32_t cpu = witness->events[i].cpu, seq = witness->events[i].seq;
		bool wanted = events >> witness->events[i].kind & 1 &&
			      !(flags & PC_FILTER_NO_THREADS && witness->events[i].thread);
		between += wanted && (int32_t)(seq - from[cpu]) > 0 &&
			   (int32_t)(until[cpu] - seq) >= 0;
	}
	return between;
}

void free_witness(struct witness *witness)
{
	free(witness->events);
}

void work_for(unsigned ns)
{
	if (ns)
		for (uint64_t until = now_ns() + ns; now_ns() < until;)
			;
}

void take(struct reader *reader, const struct pc_event *event)
{
	struct tally *tally = &reader->tally;
	if (event->kind != PC_EVENT_OVERRUN) {
		tally->events++;
		reader->marks += event->kind == PC_EVENT_COMM &&
				 event->data.comm.pid == getpid() &&
				 strcmp(event->data.comm.comm, "mark") == 0;
		reader->last[event->cpu] = event->seq;
		work_for(reader->work_ns);
		return;
	}
	if (event->data.overrun.reason == PC_LOST_DEAF)
		return; /* the witness heard nothing either */
	CHECK(event->data.overrun.lost > 0);
	/* The blind windows follow each other. */
	CHECK(event->data.overrun.since_ns >= tally->last_since_ns);
	CHECK(event->data.overrun.since_ns < event->timestamp_ns);
	CHECK(event->timestamp_ns <= now_ns());
	tally->last_since_ns = event->data.overrun.since_ns;
	tally->lost += event->data.overrun.lost;
	tally->overruns++;
}

int read_once(struct reader *reader, int timeout_ms)
{
	struct pc_event events[64];
	int result = reader->batch == 1
			     ? pc_recv(reader->pc, events, timeout_ms)
			     : pc_recv_many(reader->pc, events, reader->batch, timeout_ms);
	for (int i = 0; i < result; i++)
		take(reader, &events[i]);
	return result;
}

void read_until_empty(struct reader *reader, int timeout_ms)
{
	int result;
	while ((result = read_once(reader, timeout_ms)) != 0)
		CHECK(result > 0);
}

void cut(struct reader *reader)
{
	cpu_set_t all, one;
	uint64_t lost;
	size_t made;
	struct sched_param first = { .sched_priority = 1 }, usual = { 0 };
	/* musl's function always fails. */
	bool is_first = syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &first) == 0;
	CHECK_EQ(sched_getaffinity(0, sizeof(all), &all), 0);
	do {
		read_until_empty(reader, 0);
		lost = reader->tally.lost;
		made = reader->marks = 0;
		for (size_t cpu = 0; cpu < CPUS; cpu++) {
			CPU_ZERO(&one);
			CPU_SET(cpu, &one);
			if (!CPU_ISSET(cpu, &all) || sched_setaffinity(0, sizeof(one), &one) != 0)
				continue;
			rename_self("mark");
			made++;
		}
		CHECK_EQ(sched_setaffinity(0, sizeof(all), &all), 0);
		read_until_empty(reader, 0);
		/* Whoever closes a handle may make a kernel deaf that was repaired before. */
		if (reader->marks < made)
			CHECK(pc_check(reader->pc) >= 0);
	} while (reader->tally.lost != lost || reader->marks < made);
	if (is_first)
		CHECK_EQ(syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &usual), 0);
}
