/* Pause and resume; and the kernel's count of listeners, which must come out even. */
#include "support.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

PROMISE(queued_stay, "what is queued when a pause begins can still be received, and nothing else comes")
{
	struct pc_connector *other = open_connector(PC_MASK_EXEC, 0, 0);
	struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, 0);
	rename_self("before");
	CHECK_EQ(pc_unsubscribe(pc), 0);
	CHECK_EQ(pc_unsubscribe(pc), 0);
	rename_self("meanwhile");
	struct pc_event event = await_event(pc, PC_EVENT_COMM, getpid());
	CHECK(strcmp(event.data.comm.comm, "before") == 0);
	while (pc_recv(pc, &event, 0) == 1)
		CHECK(strcmp(event.data.comm.comm, "meanwhile") != 0);
	CHECK_EQ(pc_check(pc), 0);
	CHECK_EQ(pc_subscribe(pc), 0);
	CHECK_EQ(pc_subscribe(pc), 0);
	rename_self("after");
	event = await_event(pc, PC_EVENT_COMM, getpid());
	CHECK(strcmp(event.data.comm.comm, "after") == 0);
	pc_close(pc);
	pc_close(other);
}

PROMISE(losses_stay, "losses from before a pause are announced")
{
	struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, 8192);
	flood(1000);
	CHECK_EQ(pc_unsubscribe(pc), 0);
	uint64_t delivered = drain(pc);
	CHECK(delivered + stats_of(pc).lost >= 1000 && stats_of(pc).lost > 0);
	pc_close(pc);
}

PROMISE(filter_while_paused, "a filter set while paused judges what comes after the pause, not before")
{
	struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, 0);
	rename_self("before");
	CHECK_EQ(pc_unsubscribe(pc), 0);
	struct pc_options filter = PC_OPTIONS_INIT;
	filter.events = PC_MASK_SID;
	CHECK_EQ(pc_set_filter(pc, &filter), 0);
	await_event(pc, PC_EVENT_COMM, getpid());
	CHECK_EQ(pc_subscribe(pc), 0);
	rename_self("after");
	struct pc_event event;
	while (pc_recv(pc, &event, 0) == 1)
		CHECK_EQ(event.kind, PC_EVENT_SID);
	CHECK_EQ(stats_of(pc).filtered, 0);
	pc_close(pc);
}

/* The kernel's count of listeners, found by taking them away and putting them back. */
static int count_listeners(void)
{
	int count = deafen();
	for (int i = 0; i < count; i++) {
		int fd = raw_socket(false);
		raw_request(fd, 1, 1);
		close(fd);
	}
	return count;
}

static void close_copy(void *pc)
{
	pc_close(pc);
}

PROMISE(even_count, "whatever a handle does, it takes one listener and gives it back")
{
	int before = count_listeners();
	struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, 0);
	CHECK_EQ(count_listeners(), before + 1);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(pc_unsubscribe(pc), 0);
		CHECK_EQ(pc_unsubscribe(pc), 0);
		CHECK_EQ(count_listeners(), before);
		CHECK_EQ(pc_subscribe(pc), 0);
		CHECK_EQ(pc_subscribe(pc), 0);
		CHECK_EQ(pc_check(pc), 0);
		CHECK_EQ(count_listeners(), before + 1);
	}
	in_child(close_copy, pc);
	CHECK_EQ(count_listeners(), before + 1);
	pc_close(pc);
	CHECK_EQ(count_listeners(), before);
	pc = open_connector(0, 0, 0);
	CHECK_EQ(pc_unsubscribe(pc), 0);
	pc_close(pc);
	CHECK_EQ(count_listeners(), before);
}
