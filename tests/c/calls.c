/* What a call costs: system calls and memory. */
#include "support.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EVENTS = 40 };

/* Receives events that are ready, between two getppid() calls that mark where to count. */
static void receive_traced(void *batch)
{
	struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, 0);
	flood(EVENTS);
	ptrace(PTRACE_TRACEME, 0, 0, 0);
	raise(SIGSTOP);
	struct pc_event events[64];
	syscall(SYS_getppid);
	if (batch)
		CHECK(pc_recv_many(pc, events, 64, -1) >= EVENTS);
	else
		for (int i = 0; i < EVENTS; i++)
			CHECK_EQ(pc_recv(pc, events, -1), 1);
	syscall(SYS_getppid);
	pc_close(pc);
}

static void check_traced(void *unused)
{
	struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, 0);
	(void)unused;
	ptrace(PTRACE_TRACEME, 0, 0, 0);
	raise(SIGSTOP);
	syscall(SYS_getppid);
	CHECK_EQ(pc_check(pc), 0);
	syscall(SYS_getppid);
	pc_close(pc);
}

/* How many system calls the child makes between its marks. */
static int count_calls(void (*f)(void *), void *argument)
{
#ifdef __x86_64__
	pid_t child = start_child(f, argument);
	int status, calls = 0;
	bool counting = false, entering = true;
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFSTOPPED(status));
	for (;;) {
		CHECK_EQ(ptrace(PTRACE_SYSCALL, child, 0, 0), 0);
		CHECK_EQ(waitpid(child, &status, 0), child);
		if (WIFEXITED(status)) {
			CHECK_EQ(status, 0);
			return calls;
		}
		if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP)
			continue;
		struct user_regs_struct registers;
		CHECK_EQ(ptrace(PTRACE_GETREGS, child, 0, &registers), 0);
		if (entering && registers.orig_rax == SYS_getppid)
			counting = !counting;
		else if (registers.orig_rax != SYS_clock_gettime) /* without a vDSO clock */
			calls += entering && counting;
		entering = !entering;
	}
#else
	(void)f;
	(void)argument;
	skip("written for x86-64");
#endif
}

PROMISE(one_call, "receiving an event that is pending costs one system call")
{
	if (getenv("INSTRUMENTED"))
		skip("instrumented code makes system calls of its own");
	CHECK_EQ(count_calls(receive_traced, NULL), EVENTS);
}

PROMISE(one_call_many, "receiving a batch that is pending costs one system call")
{
	if (getenv("INSTRUMENTED"))
		skip("instrumented code makes system calls of its own");
	CHECK(count_calls(receive_traced, (void *)1) <= 2);
}

PROMISE(check_calls, "pc_check costs five system calls while the kernel reports")
{
	if (getenv("INSTRUMENTED"))
		skip("instrumented code makes system calls of its own");
	CHECK_EQ(count_calls(check_traced, NULL), 5);
}

PROMISE(no_allocation, "between pc_open and pc_close nothing is allocated")
{
	struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, 8192), *another;
	struct pc_event events[64];
	exhaust_memory();
	CHECK_EQ(pc_open(&another, NULL), -ENOMEM);
	for (int i = 0; i < 20; i++) {
		flood(100);
		while (pc_recv(pc, events, 0) == 1)
			;
		flood(100);
		while (pc_recv_many(pc, events, 64, 1) > 0)
			;
		CHECK_EQ(pc_check(pc), 0);
		CHECK_EQ(pc_unsubscribe(pc), 0);
		CHECK_EQ(pc_set_filter(pc, NULL), 0);
		CHECK_EQ(pc_subscribe(pc), 0);
	}
	pc_close(pc);
}
