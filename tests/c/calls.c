/* What a call costs: system calls and memory. */
#include "support.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EVENTS = 40 };

/* The beginning of struct ptrace_syscall_info, of which older headers know nothing. */
struct system_call {
	uint8_t op, pad[3];
	uint32_t architecture;
	uint64_t instruction, stack, number;
};
enum { GET_SYSCALL_INFO = 0x420e, ENTRY = 1 };

#ifdef SYS_clock_gettime64
#define CLOCK SYS_clock_gettime64
#else
#define CLOCK SYS_clock_gettime
#endif

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
	pid_t child = start_child(f, argument);
	int status, calls = 0;
	bool counting = false;
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFSTOPPED(status));
	CHECK_EQ(ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESYSGOOD), 0);
	for (;;) {
		CHECK_EQ(ptrace(PTRACE_SYSCALL, child, 0, 0), 0);
		CHECK_EQ(waitpid(child, &status, 0), child);
		if (WIFEXITED(status)) {
			CHECK_EQ(status, 0);
			return calls;
		}
		if (!WIFSTOPPED(status) || WSTOPSIG(status) != (SIGTRAP | 0x80))
			continue;
		struct system_call call;
		CHECK(syscall(SYS_ptrace, GET_SYSCALL_INFO, child, sizeof(call), &call) > 0);
		if (call.op != ENTRY)
			continue;
		if (call.number == SYS_getppid)
			counting = !counting;
		else if (call.number != CLOCK) /* without a vDSO clock */
			calls += counting;
	}
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
