/* A handle belongs to the process that opened it. */
#include "support.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static void use_parents_handle(void *argument)
{
	struct pc_connector *pc = argument;
	struct pc_event event;
	struct pc_options filter = PC_OPTIONS_INIT;
	CHECK_EQ(pc_recv(pc, &event, 0), -ECHILD);
	CHECK_EQ(pc_recv(pc, &event, -1), -ECHILD);
	CHECK_EQ(pc_recv_many(pc, &event, 1, 0), -ECHILD);
	CHECK_EQ(pc_set_filter(pc, &filter), -ECHILD);
	CHECK_EQ(pc_subscribe(pc), -ECHILD);
	CHECK_EQ(pc_unsubscribe(pc), -ECHILD);
	CHECK_EQ(pc_check(pc), -ECHILD);
	CHECK_EQ(pc_interrupt(pc), -ECHILD);
	CHECK_EQ(pc_release(pc), -ECHILD);
	CHECK(pc_fd(pc) >= 0);
	CHECK(stats_of(pc).rcvbuf_bytes > 0);
	int fd = pc_fd(pc);
	pc_close(pc);
	CHECK_EQ(dup(fd), -1);
}

PROMISE(child_calls, "in a forked child every call returns -ECHILD, and pc_close closes the child's copy only")
{
	struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, 0);
	rename_self("before"); /* ready, but not for the child */
	in_child(use_parents_handle, pc);
	rename_self("parent");
	struct pc_event event = await_event(pc, PC_EVENT_COMM, getpid());
	CHECK(strcmp(event.data.comm.comm, "before") == 0);
	await_event(pc, PC_EVENT_COMM, getpid());
	pc_close(pc);
}

PROMISE(grandchild, "in a child of a forked child every call returns -ECHILD")
{
	struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, 0);
	pid_t child = fork();
	if (child == 0) {
		in_child(use_parents_handle, pc);
		exit(0);
	}
	CHECK_EQ(end_child(child), 0);
	pc_close(pc);
}

static void open_without_advice(void *error)
{
	deny(SYS_madvise, *(int *)error);
	struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, 0);
	in_child(use_parents_handle, pc);
	rename_self("parent");
	await_event(pc, PC_EVENT_COMM, getpid());
	CHECK_EQ(pc_check(pc), 0);
	pc_close(pc);
}

static bool opens_evenly_without_advice(void)
{
	static int errors[] = { 0, EINVAL, EPERM, ENOSYS };
	int listeners = count_listeners();
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		in_child(open_without_advice, &errors[i]);
	return count_listeners() == listeners;
}

PROMISE(no_advice, "a forked child is told from its parent even where madvise does nothing or is refused")
{
	int trial = 1;
	while (!opens_evenly_without_advice()) /* while another listener repaired the kernel, which adds one */
		CHECK(trial++ < TRIALS);
}

static void open_own(void *argument)
{
	pc_close(argument);
	struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, 0);
	rename_self("child");
	await_event(pc, PC_EVENT_COMM, getpid());
	pc_close(pc);
}

PROMISE(child_opens, "a forked child can open a connector of its own")
{
	struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, 0);
	in_child(open_own, pc);
	rename_self("parent");
	await_event(pc, PC_EVENT_COMM, getpid());
	pc_close(pc);
}

PROMISE(daemon, "a daemon can open a connector, fork with a dup of its socket, and adopt that in the child")
{
	int ready[2];
	CHECK_EQ(pipe(ready), 0);
	pid_t starter = fork();
	if (starter == 0) {
		struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, 0);
		int copy = dup(pc_fd(pc));
		pid_t parent = getpid();
		if (fork() != 0)
			_exit(0);
		pc_close(pc);
		while (getppid() == parent)
			usleep(1000);
		struct pc_options options = PC_OPTIONS_INIT;
		options.events = PC_MASK_COMM;
		options.flags = PC_OPEN_SUBSCRIBED;
		struct pc_connector *adopted;
		char result = 'x';
		if (pc_open_fd(&adopted, copy, &options) == 0) {
			rename_self("the daemon");
			await_event(adopted, PC_EVENT_COMM, getpid());
			pc_close(adopted);
			result = 'y';
		}
		write(ready[1], &result, 1);
		_exit(0);
	}
	CHECK_EQ(end_child(starter), 0);
	char result;
	CHECK_EQ(read(ready[0], &result, 1), 1);
	CHECK_EQ(result, 'y');
}

PROMISE(two_handles, "two handles in one process are independent")
{
	struct pc_connector *one = open_connector(PC_MASK_COMM, 0, 0);
	struct pc_connector *two = open_connector(PC_MASK_COMM, 0, 0);
	rename_self("both");
	await_event(one, PC_EVENT_COMM, getpid());
	await_event(two, PC_EVENT_COMM, getpid());
	pc_close(one);
	rename_self("only two");
	struct pc_event event = await_event(two, PC_EVENT_COMM, getpid());
	CHECK(strcmp(event.data.comm.comm, "only two") == 0);
	pc_close(two);
}
