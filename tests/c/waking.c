/* pc_wake_soon, and waiting without sleep (spin_us). */
#include "support.h"

#include <errno.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

enum { SLICE_NS = 100000, RESET_ON_FORK = 1 };

/* struct sched_attr, for C libraries that lack it. */
struct attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util_min, util_max;
};

static struct attributes attributes(void)
{
	struct attributes now = { 0 };
	CHECK_EQ(syscall(SYS_sched_getattr, 0, &now, sizeof(now), 0), 0);
	return now;
}

static void check_unchanged(const struct attributes *before)
{
	struct attributes now = attributes();
	CHECK_EQ(memcmp(before, &now, sizeof(now)), 0);
}

/* Before Linux 6.12, the kernel shows no slice. */
static bool has_slices(void)
{
	return attributes().runtime != 0;
}

static void ask_for_slice(void)
{
	CHECK_EQ(pc_wake_soon(PC_WAKE_SLICE), has_slices() ? PC_WAKE_SLICE : PC_WAKE_USUAL);
}

static void ask_for_realtime(void)
{
	struct attributes fifo = { .size = 48, .policy = SCHED_FIFO, .priority = 1 };
	struct attributes other = attributes();
	if (syscall(SYS_sched_setattr, 0, &fifo, 0) != 0)
		skip("no privilege for SCHED_FIFO");
	CHECK_EQ(syscall(SYS_sched_setattr, 0, &other, 0), 0);
	CHECK_EQ(pc_wake_soon(PC_WAKE_REALTIME), PC_WAKE_REALTIME);
}

static void drop_nice_capability(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[2];
	CHECK_EQ(syscall(SYS_capget, &header, sets), 0);
	for (int i = 0; i < 2; i++)
		sets[i].effective &= i == CAP_TO_INDEX(CAP_SYS_NICE) ? ~CAP_TO_MASK(CAP_SYS_NICE) : ~0u;
	CHECK_EQ(syscall(SYS_capset, &header, sets), 0);
	struct rlimit none = { 0, 0 };
	CHECK_EQ(setrlimit(RLIMIT_RTPRIO, &none), 0);
}

PROMISE(slice, "pc_wake_soon gets a slice of 100 us where the kernel has slices, and changes nothing else")
{
	struct attributes expected = attributes();
	if (has_slices()) {
		expected.runtime = SLICE_NS;
		expected.flags |= RESET_ON_FORK;
	}
	for (int i = 0; i < 2; i++) {
		ask_for_slice();
		check_unchanged(&expected);
	}
}

PROMISE(slice_unprivileged, "pc_wake_soon needs no privilege for the slice, and keeps the nice value")
{
	CHECK_EQ(setpriority(PRIO_PROCESS, 0, 7), 0);
	drop_nice_capability();
	ask_for_slice();
	CHECK_EQ(attributes().nice, 7);
}

static void check_policy(int policy)
{
	struct attributes given = { .size = 48, .policy = (uint32_t)policy, .nice = 3 };
	CHECK_PERMITTED(syscall(SYS_sched_setattr, 0, &given, 0));
	struct attributes before = attributes();
	CHECK_EQ(pc_wake_soon(PC_WAKE_SLICE), PC_WAKE_USUAL);
	check_unchanged(&before);
}

PROMISE(batch, "pc_wake_soon leaves a thread alone that is SCHED_BATCH or SCHED_IDLE, also after it had a slice")
{
	check_policy(SCHED_BATCH);
	check_policy(SCHED_IDLE);
	struct attributes other = { .size = 48, .policy = SCHED_OTHER, .runtime = SLICE_NS };
	CHECK_PERMITTED(syscall(SYS_sched_setattr, 0, &other, 0));
	check_policy(SCHED_IDLE);
}

PROMISE(realtime, "pc_wake_soon gets SCHED_FIFO with priority 1 where that is allowed, and keeps the nice value")
{
	CHECK_EQ(setpriority(PRIO_PROCESS, 0, 7), 0);
	ask_for_realtime();
	struct attributes now = attributes();
	CHECK(now.policy == SCHED_FIFO && now.priority == 1);
	CHECK_EQ(getpriority(PRIO_PROCESS, 0), 7);
	/* It has what is better. */
	CHECK_EQ(pc_wake_soon(PC_WAKE_SLICE), PC_WAKE_REALTIME);
	check_unchanged(&now);
}

PROMISE(realtime_kept, "pc_wake_soon leaves the priority and the policy of a realtime thread alone")
{
	struct sched_param nine = { .sched_priority = 9 };
	if (syscall(SYS_sched_setscheduler, 0, SCHED_RR, &nine) != 0) /* musl's function always fails */
		skip("no privilege for SCHED_RR");
	struct attributes before = attributes();
	CHECK_EQ(pc_wake_soon(PC_WAKE_REALTIME), PC_WAKE_REALTIME);
	check_unchanged(&before);
}

PROMISE(realtime_refused, "pc_wake_soon gets the slice where SCHED_FIFO is not allowed")
{
	drop_nice_capability();
	bool slices = has_slices();
	CHECK_EQ(pc_wake_soon(PC_WAKE_REALTIME), slices ? PC_WAKE_SLICE : PC_WAKE_USUAL);
	struct attributes now = attributes();
	CHECK(now.policy == SCHED_OTHER && now.priority == 0);
	CHECK_EQ(now.runtime, slices ? SLICE_NS : 0);
}

static void *attributes_of_another(void *barrier)
{
	static struct attributes now;
	pthread_barrier_wait(barrier);
	pthread_barrier_wait(barrier);
	now = attributes();
	return &now;
}

PROMISE(one_thread, "pc_wake_soon affects the calling thread alone")
{
	pthread_barrier_t barrier;
	pthread_t other;
	void *now;
	struct attributes before = attributes();
	pthread_barrier_init(&barrier, NULL, 2);
	CHECK_EQ(pthread_create(&other, NULL, attributes_of_another, &barrier), 0);
	pthread_barrier_wait(&barrier);
	ask_for_slice();
	pthread_barrier_wait(&barrier);
	CHECK_EQ(pthread_join(other, &now), 0);
	CHECK_EQ(memcmp(now, &before, sizeof(before)), 0);
}

static void check_usual(void *usual)
{
	check_unchanged(usual);
}

PROMISE(children, "children and later threads of a thread with a slice start as they would have without")
{
	struct attributes usual = attributes();
	ask_for_slice();
	in_child(check_usual, &usual);
}

PROMISE(realtime_children, "children of a thread that pc_wake_soon has made SCHED_FIFO are SCHED_OTHER")
{
	struct attributes usual = attributes();
	usual.nice = 0; /* SCHED_RESET_ON_FORK in kernel/sched/core.c */
	ask_for_realtime();
	in_child(check_usual, &usual);
}

static void check_negative(void *unused)
{
	(void)unused;
	CHECK_EQ(attributes().nice, -4);
}

PROMISE(negative_nice, "children of a thread with a slice keep its negative nice value")
{
	if (setpriority(PRIO_PROCESS, 0, -4) != 0)
		skip("no privilege for a negative nice value");
	ask_for_slice();
	CHECK_EQ(attributes().nice, -4);
	in_child(check_negative, NULL);
}

static void check_denied(int number, int denial, int expected)
{
	struct attributes before = attributes();
	deny(number, denial);
	CHECK_EQ(pc_wake_soon(PC_WAKE_REALTIME), expected);
	CHECK_EQ(pc_wake_soon(PC_WAKE_SLICE), expected);
	if (number != SYS_sched_getattr)
		check_unchanged(&before);
}

PROMISE(denied_set, "pc_wake_soon returns -EPERM under a seccomp filter that forbids sched_setattr (0 if there are no slices), and changes nothing")
{
	check_denied(SYS_sched_setattr, EPERM, has_slices() ? -EPERM : PC_WAKE_USUAL);
}

PROMISE(denied_get, "pc_wake_soon returns -EPERM under a seccomp filter that forbids sched_getattr")
{
	check_denied(SYS_sched_getattr, EACCES, -EPERM);
}

PROMISE(hidden_call, "pc_wake_soon returns -EIO under a seccomp filter that answers ENOSYS")
{
	check_denied(SYS_sched_getattr, ENOSYS, -EIO);
}

PROMISE(wrong_way, "pc_wake_soon refuses what is neither a slice nor realtime")
{
	struct attributes before = attributes();
	CHECK_EQ(pc_wake_soon(PC_WAKE_USUAL), -EINVAL);
	CHECK_EQ(pc_wake_soon(3), -EINVAL);
	CHECK_EQ(pc_wake_soon(UINT32_MAX), -EINVAL);
	check_unchanged(&before);
}

PROMISE(no_cancellation, "pc_wake_soon is not a cancellation point")
{
	CHECK_EQ(pthread_cancel(pthread_self()), 0);
	CHECK(pc_wake_soon(PC_WAKE_SLICE) >= 0);
	_exit(0);
}

/* ---- spin_us ---- */

enum { LONG_US = 2000000000 };

static struct pc_connector *open_spinning(uint32_t events, uint32_t spin_us)
{
	struct pc_options options = PC_OPTIONS_INIT;
	struct pc_connector *pc;
	options.events = events;
	options.spin_us = spin_us;
	CHECK_EQ(pc_open(&pc, &options), 0);
	return pc;
}

PROMISE(spinning, "with spin_us, pc_recv waits as long as the timeout says without sleeping")
{
	struct pc_connector *pc = open_spinning(PC_MASK_UNKNOWN, LONG_US);
	struct pc_event event;
	long sleeps = count_sleeps();
	uint64_t begun = now_ns();
	for (int i = 0; i < 20; i++)
		CHECK_EQ(pc_recv(pc, &event, 5), 0);
	CHECK(now_ns() - begun >= 100000000);
	CHECK(count_sleeps() - sleeps < 10);
	pc_close(pc);
}

PROMISE(spun, "pc_recv sleeps once spin_us are over")
{
	struct pc_connector *pc = open_spinning(PC_MASK_UNKNOWN, 500);
	struct pc_event event;
	long sleeps = count_sleeps();
	uint64_t begun = now_ns();
	for (int i = 0; i < 20; i++)
		CHECK_EQ(pc_recv(pc, &event, 5), 0);
	CHECK(now_ns() - begun >= 100000000);
	CHECK(count_sleeps() - sleeps >= 10);
	pc_close(pc);
}

PROMISE(spinning_no_wait, "with spin_us, pc_recv with timeout 0 does not wait")
{
	struct pc_connector *pc = open_spinning(PC_MASK_UNKNOWN, LONG_US);
	struct pc_event event;
	CHECK_EQ(pc_recv(pc, &event, 0), 0);
	CHECK_EQ(pc_recv_many(pc, &event, 1, 0), 0);
	pc_close(pc);
}

static void *rename_later(void *unused)
{
	usleep(30000);
	rename_self("later");
	return unused;
}

PROMISE(spinning_event, "with spin_us, pc_recv and pc_recv_many return the event that comes")
{
	struct pc_connector *pc = open_spinning(PC_MASK_COMM, LONG_US);
	struct pc_event event;
	pthread_t thread;
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(pthread_create(&thread, NULL, rename_later, NULL), 0);
		do
			CHECK_EQ(i ? pc_recv_many(pc, &event, 1, -1) : pc_recv(pc, &event, -1), 1);
		while (event.kind != PC_EVENT_COMM || strcmp(event.data.comm.comm, "later") != 0);
		CHECK_EQ(pthread_join(thread, NULL), 0);
	}
	pc_close(pc);
}

static void ignore(int number)
{
	(void)number;
}

PROMISE(spinning_signal, "with spin_us, a signal does not end a wait of pc_recv")
{
	struct pc_connector *pc = open_spinning(PC_MASK_UNKNOWN, LONG_US);
	struct pc_event event;
	struct itimerval soon = { .it_value.tv_usec = 10000, .it_interval.tv_usec = 10000 };
	uint64_t begun = now_ns();
	signal(SIGALRM, ignore);
	CHECK_EQ(setitimer(ITIMER_REAL, &soon, NULL), 0);
	CHECK_EQ(pc_recv(pc, &event, 100), 0);
	CHECK(now_ns() - begun >= 100000000);
	pc_close(pc);
}

static void *interrupt_later(void *pc)
{
	usleep(30000);
	CHECK_EQ(pc_interrupt(pc), 0);
	return NULL;
}

PROMISE(spinning_interrupt, "with spin_us, pc_interrupt ends a wait")
{
	struct pc_connector *pc = open_spinning(PC_MASK_UNKNOWN, LONG_US);
	struct pc_event event;
	pthread_t thread;
	CHECK_EQ(pthread_create(&thread, NULL, interrupt_later, pc), 0);
	CHECK_EQ(pc_recv(pc, &event, -1), -ECANCELED);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	pc_close(pc);
}

PROMISE(spinning_end, "with spin_us, pc_recv notices the end of a stream")
{
	int pair[2];
	struct pc_options options = PC_OPTIONS_INIT;
	struct pc_connector *pc;
	struct pc_event event;
	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	options.spin_us = LONG_US;
	CHECK_EQ(pc_open_fd(&pc, pair[0], &options), 0);
	close(pair[1]);
	CHECK_EQ(pc_recv(pc, &event, -1), -EPIPE);
	pc_close(pc);
}

PROMISE(spinning_table, "with spin_us, pc_table_next waits without sleeping")
{
	struct pc_table_options options = PC_TABLE_OPTIONS_INIT;
	struct pc_change change;
	struct pc_table *table;
	int pair[2];
	/* A feed, so that no change comes. */
	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	options.spin_us = LONG_US;
	CHECK_EQ(pc_table_open_fd(&table, pair[0], &options), 0);
	while (pc_table_next(table, &change, 0) == 1 || !pc_table_is_synced(table))
		;
	long sleeps = count_sleeps();
	uint64_t begun = now_ns();
	for (int i = 0; i < 20; i++)
		while (pc_table_next(table, &change, 5) == 1)
			;
	CHECK(now_ns() - begun >= 100000000);
	CHECK(count_sleeps() - sleeps < 10);
	pc_table_close(table);
}
