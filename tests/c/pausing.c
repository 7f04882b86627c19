/* Pause and resume; and the kernel's count of listeners, which must come out even. */
#include "support.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

PROMISE(queued_stay, "events that are queued when a pause begins can still be received, and no others arrive")
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

PROMISE(losses_stay, "losses from before a pause are still reported during it")
{
	struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, 8192);
	flood(1000);
	CHECK_EQ(pc_unsubscribe(pc), 0);
	uint64_t delivered = drain(pc);
	CHECK(delivered + stats_of(pc).lost >= 1000 && stats_of(pc).lost > 0);
	pc_close(pc);
}

static void start_session(void *unused)
{
	(void)unused;
	setsid();
}

PROMISE(filter_while_paused, "a filter set during a pause judges the events after the pause, not those from before")
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
	pid_t child = start_child(start_session, NULL);
	end_child(child);
	struct pc_event event;
	bool heard = false;
	while (pc_recv(pc, &event, 0) == 1) {
		/* Others may have renamed themselves before the pause, too. */
		CHECK(event.kind == PC_EVENT_SID || pc_event_tgid(&event) != getpid());
		heard |= event.kind == PC_EVENT_SID && pc_event_tgid(&event) == child;
	}
	CHECK(heard);
	CHECK_EQ(stats_of(pc).filtered, 0);
	pc_close(pc);
}

static void close_copy(void *pc)
{
	pc_close(pc);
}

static bool has(int listeners)
{
	int count = count_listeners();
	if (count != listeners)
		printf("# %d listeners, not %d\n", count, listeners);
	return count == listeners;
}

static bool counts_evenly(void)
{
	int before = count_listeners();
	struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, 0);
	bool even = has(before + 1);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(pc_unsubscribe(pc), 0);
		CHECK_EQ(pc_unsubscribe(pc), 0);
		even &= has(before);
		CHECK_EQ(pc_subscribe(pc), 0);
		CHECK_EQ(pc_subscribe(pc), 0);
		CHECK_EQ(pc_check(pc), 0);
		even &= has(before + 1);
	}
	in_child(close_copy, pc);
	even &= has(before + 1);
	pc_close(pc);
	even &= has(before);
	pc = open_connector(0, 0, 0);
	CHECK_EQ(pc_unsubscribe(pc), 0);
	pc_close(pc);
	return even & has(before);
}

PROMISE(even_count, "whatever is done with a handle, it adds one listener to the kernel's count and removes one")
{
	int trial = 1;
	while (!counts_evenly()) /* while another listener repaired the kernel, which adds one */
		CHECK(trial++ < TRIALS);
}
