/* A kernel that anybody can make deaf, and its repair. */
#include "support.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

PROMISE(repair, "pc_check notices a deaf kernel and repairs it; the stream reports since when")
{
	struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, 0);
	uint64_t opened = now_ns();
	CHECK_EQ(pc_check(pc), 0);
	uint64_t before;
	int repaired, received;
	struct pc_event event;
	do { /* until no other listener repairs it first */
		deafen();
		drain(pc);
		rename_self("unheard");
		received = pc_recv(pc, &event, 20);
		before = now_ns();
		repaired = pc_check(pc);
		CHECK(repaired >= 0);
	} while (!repaired);
	CHECK_EQ(received, 0);
	event = await_kind(pc, PC_EVENT_OVERRUN);
	CHECK_EQ(event.data.overrun.reason, PC_LOST_DEAF);
	CHECK_EQ(event.data.overrun.lost, 0);
	CHECK(event.data.overrun.since_ns >= opened && event.data.overrun.since_ns < before);
	CHECK(event.timestamp_ns >= before && event.timestamp_ns <= now_ns());
	rename_self("heard");
	await_event(pc, PC_EVENT_COMM, getpid());
	CHECK_EQ(pc_check(pc), 0);
	CHECK_EQ(stats_of(pc).repaired, 1);
	CHECK_EQ(stats_of(pc).lost, 0);
	pc_close(pc);
}

/* Makes the kernel deaf, and brings its count of listeners that far below one. */
static void deafen_deeply(int depth)
{
	deafen();
	for (int i = 0; i < depth; i++) {
		int fd = raw_socket(false);
		raw_request(fd, 9, 1);
		raw_request(fd, 2, 1);
		close(fd);
	}
}

/* Until no other listener repairs it first. */
static void check_repairs(struct pc_connector *pc, int depth)
{
	int repaired;
	do {
		deafen_deeply(depth);
		repaired = pc_check(pc);
	} while (repaired == 0);
	CHECK_EQ(repaired, 1);
}

PROMISE(deep, "pc_check repairs a listener count that was brought far below one")
{
	struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, 0);
	check_repairs(pc, 100);
	CHECK_EQ(pc_check(pc), 0);
	pc_close(pc);
}

PROMISE(deaf_open, "pc_open and pc_subscribe repair a deaf kernel")
{
	struct pc_connector *paused = open_connector(PC_MASK_COMM, 0, 0);
	CHECK_EQ(pc_unsubscribe(paused), 0);
	struct pc_connector *pc = NULL;
	do { /* until no other listener repairs it first */
		pc_close(pc);
		deafen_deeply(10);
		pc = open_connector(PC_MASK_COMM, 0, 0);
	} while (stats_of(pc).repaired == 0);
	CHECK_EQ(stats_of(pc).repaired, 1);
	rename_self("heard");
	await_event(pc, PC_EVENT_COMM, getpid());
	deafen();
	CHECK_EQ(pc_subscribe(paused), 0);
	rename_self("heard again");
	await_event(paused, PC_EVENT_COMM, getpid());
	pc_close(paused);
	pc_close(pc);
}

static void *check_soon(void *pc)
{
	usleep(50000); /* most likely the reader waits by then */
	check_repairs(pc, 0);
	return NULL;
}

PROMISE(waiting_reader, "a reader that waits is woken by a repair by another thread")
{
	struct pc_connector *pc = open_connector(PC_MASK_SID, 0, 0);
	pthread_t thread;
	CHECK_EQ(pthread_create(&thread, NULL, check_soon, pc), 0);
	struct pc_event event = await_kind(pc, PC_EVENT_OVERRUN);
	CHECK_EQ(event.data.overrun.reason, PC_LOST_DEAF);
	pthread_join(thread, NULL);
	pc_close(pc);
}

PROMISE(closed_dup, "pc_check renews a subscription that was ended by closing another handle on the socket")
{
	struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, 0);
	struct pc_connector *keeper = open_connector(PC_MASK_EXEC, 0, 0);
	raw_request(pc_fd(pc), 2, 1); /* what pc_close() of an adopted dup would send */
	CHECK(pc_check(pc) >= 0);
	rename_self("renewed");
	struct pc_event event;
	do
		event = await_kind(pc, PC_EVENT_COMM);
	while (pc_event_tgid(&event) != getpid());
	pc_close(keeper);
	pc_close(pc);
}
