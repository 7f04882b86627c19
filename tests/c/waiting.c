/* Timeouts, signals, interrupts. */
#include "support.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* A handle that nothing comes to. */
static struct pc_connector *open_silent(void)
{
	return open_connector(PC_MASK_UNKNOWN, 0, 0);
}

PROMISE(no_wait, "pc_recv with timeout 0 does not wait")
{
	struct pc_connector *pc = open_silent();
	struct pc_event event;
	long sleeps = count_sleeps();
	for (int i = 0; i < 100; i++)
		CHECK_EQ(pc_recv(pc, &event, 0), 0);
	CHECK(count_sleeps() - sleeps < 50);
	sleeps = count_sleeps();
	for (int i = 0; i < 100; i++)
		CHECK_EQ(pc_recv(pc, &event, 1), 0);
	CHECK(count_sleeps() - sleeps >= 50); /* or else this proves nothing */
	pc_close(pc);
}

PROMISE(timeout, "a timeout of pc_recv lasts as long as it says")
{
	struct pc_connector *pc = open_silent();
	struct pc_event event;
	uint64_t begun = now_ns();
	CHECK_EQ(pc_recv(pc, &event, 200), 0);
	CHECK(now_ns() - begun >= 200000000u);
	CHECK_EQ(pc_recv_many(pc, &event, 1, 1), 0);
	pc_close(pc);
}

static void *rename_without_end(void *stop)
{
	while (!atomic_load((atomic_bool *)stop)) {
		rename_self("unwanted");
		usleep(100);
	}
	return NULL;
}

PROMISE(deadline, "messages that are discarded do not restart the timeout of pc_recv")
{
	/* On a stream where every datagram is dropped in user space: a fed AF_UNIX pair. */
	int pair[2];
	CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
	struct pc_options options = PC_OPTIONS_INIT;
	options.events = PC_MASK_EXIT;
	struct pc_connector *pc;
	CHECK_EQ(pc_open_fd(&pc, pair[0], &options), 0);
	pid_t feeder = fork();
	if (feeder == 0) {
		unsigned char datagram[EVENT_SIZE];
		make_exec(datagram, 1);
		for (;;)
			write(pair[1], datagram, sizeof(datagram));
	}
	struct pc_event event;
	uint64_t filtered;
	do { /* until the feeder gets enough of the CPU meanwhile */
		filtered = stats_of(pc).filtered;
		uint64_t begun = now_ns();
		CHECK_EQ(pc_recv(pc, &event, 100), 0);
		CHECK(now_ns() - begun >= 100000000u);
	} while (stats_of(pc).filtered - filtered <= 100);
	kill(feeder, SIGKILL);
	end_child(feeder);
	pc_close(pc);
}

static void on_signal(int number)
{
	(void)number;
}

PROMISE(signal, "a signal ends a wait with -EINTR, and no event is lost")
{
	struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, 0);
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	sigaction(SIGALRM, &action, NULL);
	/* Again and again, because one may come between two waits. */
	struct itimerval soon = { .it_value.tv_usec = 50000, .it_interval.tv_usec = 50000 };
	struct pc_event event;
	int result;
	setitimer(ITIMER_REAL, &soon, NULL);
	while ((result = pc_recv(pc, &event, -1)) == 1)
		;
	CHECK_EQ(result, -EINTR);
	setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
	rename_self("after the signal");
	await_event(pc, PC_EVENT_COMM, getpid());
	pc_close(pc);
}

PROMISE(signal_storm, "under 1,000 signals a second and a flood, a timeout stays a deadline and the statistics balance")
{
	struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, 8192);
	struct sigaction action = { .sa_handler = on_signal };
	sigaction(SIGALRM, &action, NULL);
	struct itimerval storm = { { 0, 1000 }, { 0, 1000 } };
	struct pc_event events[64];
	uint64_t seen = 0, lost = 0, interrupted = 0;
	pid_t child = start_flood();
	setitimer(ITIMER_REAL, &storm, NULL);
	for (uint64_t until = now_ns() + 1000000000u; now_ns() < until;) {
		int result = pc_recv_many(pc, events, 64, 100);
		CHECK(result >= 0 || result == -EINTR);
		interrupted += result == -EINTR;
		for (int i = 0; i < result; i++)
			if (events[i].kind == PC_EVENT_OVERRUN)
				lost += events[i].data.overrun.lost;
			else
				seen++;
	}
	CHECK_EQ(stats_of(pc).received, seen);
	CHECK_EQ(stats_of(pc).lost, lost);
	stop_flood(child);
	drain(pc);
	CHECK_EQ(pc_unsubscribe(pc), 0);
	drain(pc);
	/* Each signal ends the wait, which goes on for what is left of it, and is not held longer. */
	uint64_t begun = now_ns();
	do { /* until there was time for enough signals */
		uint64_t deadline = now_ns() + 300000000u;
		for (uint64_t now; (now = now_ns()) < deadline;) {
			int result = pc_recv(pc, events, (int)((deadline - now) / 1000000u) + 1);
			CHECK(result == 0 || result == -EINTR);
			interrupted += result == -EINTR;
		}
	} while (interrupted <= 10);
	CHECK(now_ns() - begun < PATIENCE_MS * 1000000ull);
	setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
	pc_close(pc);
}

PROMISE(interrupt_before, "pc_interrupt cancels the next wait, once, however often it was called")
{
	struct pc_connector *pc = open_silent();
	struct pc_event event;
	errno = 123;
	for (int i = 0; i < 5; i++)
		CHECK_EQ(pc_interrupt(pc), 0);
	CHECK_EQ(errno, 123);
	struct pollfd poll_set = { .fd = pc_fd(pc), .events = POLLIN };
	CHECK_EQ(poll(&poll_set, 1, 0), 0);
	CHECK_EQ(pc_recv(pc, &event, 0), 0);
	CHECK_EQ(pc_recv(pc, &event, -1), -ECANCELED);
	CHECK_EQ(pc_recv(pc, &event, 20), 0);
	CHECK_EQ(pc_interrupt(pc), 0);
	CHECK_EQ(pc_recv_many(pc, &event, 1, -1), -ECANCELED);
	CHECK_EQ(pc_recv(pc, &event, 20), 0);
	pc_close(pc);
}

static uint64_t cpu_ns(void)
{
	struct timespec used;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

PROMISE(no_spinning, "a wait after an interrupted one sleeps again")
{
	struct pc_connector *pc = open_silent();
	struct pc_event event;
	CHECK_EQ(pc_interrupt(pc), 0);
	CHECK_EQ(pc_recv(pc, &event, -1), -ECANCELED);
	uint64_t begun = cpu_ns();
	CHECK_EQ(pc_recv(pc, &event, 500), 0);
	CHECK(cpu_ns() - begun < 250000000u);
	pc_close(pc);
}

static void *interrupt_soon(void *pc)
{
	usleep(50000);
	CHECK_EQ(pc_interrupt(pc), 0);
	return NULL;
}

PROMISE(interrupt_thread, "pc_interrupt from another thread ends a wait")
{
	struct pc_connector *pc = open_silent();
	struct pc_event event;
	for (int i = 0; i < 5; i++) {
		pthread_t thread;
		CHECK_EQ(pthread_create(&thread, NULL, interrupt_soon, pc), 0);
		CHECK_EQ(pc_recv(pc, &event, -1), -ECANCELED);
		pthread_join(thread, NULL);
	}
	CHECK_EQ(pc_recv(pc, &event, 20), 0);
	pc_close(pc);
}

static struct pc_connector *for_handler;

static void interrupt_in_handler(int number)
{
	(void)number;
	pc_interrupt(for_handler);
}

PROMISE(interrupt_handler, "pc_interrupt from a signal handler ends a wait with -ECANCELED, not -EINTR")
{
	for_handler = open_silent();
	struct sigaction action = { .sa_handler = interrupt_in_handler };
	sigaction(SIGALRM, &action, NULL);
	struct itimerval soon = { .it_value.tv_usec = 50000 };
	struct pc_event event;
	setitimer(ITIMER_REAL, &soon, NULL);
	CHECK_EQ(pc_recv(for_handler, &event, -1), -ECANCELED);
	pc_close(for_handler);
}

PROMISE(interrupt_anywhere, "an interrupt in the middle of a call loses no event, and the statistics balance")
{
	int pair[2];
	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	struct pc_options options = PC_OPTIONS_INIT;
	options.events = PC_MASK_UNKNOWN;
	CHECK_EQ(pc_open_fd(&for_handler, pair[1], &options), 0);
	struct sigaction action = { .sa_handler = interrupt_in_handler };
	sigaction(SIGALRM, &action, NULL);
	struct itimerspec often = { .it_interval.tv_nsec = 20000, .it_value.tv_nsec = 20000 };
	timer_t timer;
	CHECK_EQ(timer_create(CLOCK_MONOTONIC, NULL, &timer), 0);
	CHECK_EQ(timer_settime(timer, 0, &often, NULL), 0);
	enum { EVENTS = 3000, EXEC = 2, NEWS = 1 << 29 };
	for (uint32_t i = 0; i < EVENTS; i++) { /* one wanted, and one that is not */
		unsigned char datagram[EVENT_SIZE];
		make_datagram(datagram, NEWS, i, "", 0);
		while (send(pair[0], datagram, EVENT_SIZE, 0) < 0)
			CHECK_EQ(errno, EINTR);
		make_datagram(datagram, EXEC, i, "", 0);
		while (send(pair[0], datagram, EVENT_SIZE, 0) < 0)
			CHECK_EQ(errno, EINTR);
		struct pc_event event;
		int result;
		do {
			result = pc_recv(for_handler, &event, 1);
			CHECK(result == 1 || result == -ECANCELED || result == -EINTR);
		} while (result != 1);
		CHECK_EQ(event.seq, i);
	}
	timer_delete(timer);
	drain(for_handler);
	CHECK_EQ(stats_of(for_handler).received, EVENTS);
	CHECK_EQ(stats_of(for_handler).filtered, EVENTS);
	pc_close(for_handler);
	close(pair[0]);
}

PROMISE(interrupt_load, "pc_interrupt ends a wait under full load")
{
	struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, 0);
	pid_t child = start_flood();
	struct pc_event event;
	for (int round = 0; round < 20; round++) {
		do /* on a busy machine the flood may fill the queue meanwhile */
			CHECK_EQ(pc_recv(pc, &event, PATIENCE_MS), 1);
		while (event.kind != PC_EVENT_COMM || pc_event_tgid(&event) != child);
		CHECK_EQ(pc_interrupt(pc), 0);
		CHECK_EQ(pc_recv(pc, &event, -1), -ECANCELED);
		CHECK_EQ(pc_recv(pc, &event, -1), 1);
	}
	stop_flood(child);
	pc_close(pc);
}

static void *receive_until_cancelled(void *pc)
{
	struct pc_event event;
	pc_recv(pc, &event, -1);
	return NULL;
}

PROMISE(cancellation, "a thread that waits in pc_recv can be cancelled, and the handle goes on working")
{
	struct pc_connector *pc = open_silent();
	pthread_t thread;
	void *result;
	CHECK_EQ(pthread_create(&thread, NULL, receive_until_cancelled, pc), 0);
	usleep(20000);
	CHECK_EQ(pthread_cancel(thread), 0);
	CHECK_EQ(pthread_join(thread, &result), 0);
	CHECK(result == PTHREAD_CANCELED);
	CHECK_EQ(pc_set_filter(pc, NULL), 0);
	rename_self("still here");
	await_event(pc, PC_EVENT_COMM, getpid());
	pc_close(pc);
}

static void *use_all_when_cancelled(void *out)
{
	struct pc_connector *pc = open_connector(0, 0, 0);
	struct pc_connector **result = out;
	pthread_cancel(pthread_self());
	struct pc_connector *other = NULL;
	pc_open(&other, NULL);
	pc_close(other);
	pc_interrupt(pc);
	pc_check(pc);
	pc_unsubscribe(pc);
	pc_subscribe(pc);
	pc_set_filter(pc, NULL);
	pc_process_alive(1);
	*result = pc;
	pthread_testcancel();
	return NULL;
}

PROMISE(no_cancellation, "of the functions of a connector, only pc_recv and pc_recv_many are cancellation points")
{
	struct pc_connector *pc = NULL;
	pthread_t thread;
	void *result;
	CHECK_EQ(pthread_create(&thread, NULL, use_all_when_cancelled, &pc), 0);
	CHECK_EQ(pthread_join(thread, &result), 0);
	CHECK(result == PTHREAD_CANCELED);
	CHECK(pc != NULL);
	pc_close(pc);
}

struct checker {
	struct pc_connector *pc;
	atomic_bool stop;
};

static void *check_without_end(void *argument)
{
	struct checker *checker = argument;
	struct pc_stats stats;
	while (!atomic_load(&checker->stop)) {
		CHECK_EQ(pc_check(checker->pc), 0);
		CHECK_EQ(pc_get_stats(checker->pc, &stats, sizeof(stats)), 0);
		CHECK(pc_fd(checker->pc) >= 0);
	}
	return NULL;
}

PROMISE(any_thread, "pc_check, pc_get_stats and pc_fd from another thread disturb neither receiving nor pausing")
{
	struct checker checker = { .pc = open_connector(PC_MASK_COMM, 0, 0) };
	pthread_t thread, renamer;
	CHECK_EQ(pthread_create(&thread, NULL, check_without_end, &checker), 0);
	CHECK_EQ(pthread_create(&renamer, NULL, rename_without_end, &checker.stop), 0);
	for (int i = 0; i < 200; i++) {
		await_event(checker.pc, PC_EVENT_COMM, getpid());
		CHECK_EQ(pc_unsubscribe(checker.pc), 0);
		CHECK_EQ(pc_subscribe(checker.pc), 0);
	}
	atomic_store(&checker.stop, true);
	pthread_join(thread, NULL);
	pthread_join(renamer, NULL);
	pc_close(checker.pc);
}
