/* Every kind, made for real, and every field compared with the truth. */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* What holds for all: the time and the CPU are plausible, undefined bytes are zero. */
static void check_common(const struct pc_event *event, uint64_t begun, size_t defined)
{
	static const unsigned char zeroes[40];
	CHECK(event->timestamp_ns >= begun && event->timestamp_ns <= now_ns());
	CHECK(event->cpu < (uint32_t)sysconf(_SC_NPROCESSORS_CONF));
	CHECK_EQ(event->reserved, 0);
	CHECK(memcmp((const char *)&event->data + defined, zeroes, 40 - defined) == 0);
}

static void exit_with_3(void *unused)
{
	(void)unused;
	exit(3);
}

PROMISE(fork_event, "FORK names parent and child")
{
	struct pc_connector *pc = open_connector(0, 0, 0);
	uint64_t begun = now_ns();
	pid_t child = start_child(exit_with_3, NULL);
	struct pc_event event = await_event(pc, PC_EVENT_FORK, child);
	check_common(&event, begun, sizeof(event.data.fork));
	CHECK_EQ(event.data.fork.parent_pid, getpid());
	CHECK_EQ(event.data.fork.parent_tgid, getpid());
	CHECK_EQ(event.data.fork.child_pid, child);
	CHECK_EQ(event.data.fork.child_tgid, child);
	end_child(child);
	pc_close(pc);
}

static void *tell_tid(void *tid)
{
	*(pid_t *)tid = (pid_t)syscall(SYS_gettid);
	return NULL;
}

PROMISE(thread_event, "a thread's FORK has child_pid other than child_tgid, and its EXIT has signal -1")
{
	struct pc_connector *pc = open_connector(PC_MASK_FORK | PC_MASK_EXIT, 0, 0);
	uint64_t begun = now_ns();
	pthread_t thread;
	pid_t tid = 0;
	CHECK_EQ(pthread_create(&thread, NULL, tell_tid, &tid), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	struct pc_event event;
	do
		event = await_event(pc, PC_EVENT_FORK, getpid());
	while (event.data.fork.child_pid != tid);
	check_common(&event, begun, sizeof(event.data.fork));
	CHECK_EQ(event.data.fork.child_tgid, getpid());
	CHECK_EQ(event.data.fork.parent_tgid, getppid());
	do
		event = await_event(pc, PC_EVENT_EXIT, getpid());
	while (event.data.exit.pid != tid);
	check_common(&event, begun, sizeof(event.data.exit));
	CHECK_EQ(event.data.exit.tgid, getpid());
	CHECK_EQ(event.data.exit.exit_signal, -1);
	CHECK_EQ(event.data.exit.exit_code, 0);
	pc_close(pc);
}

static void execute(void *unused)
{
	exec_self(unused);
}

PROMISE(exec_event, "EXEC names the process that runs a new program")
{
	struct pc_connector *pc = open_connector(0, 0, 0);
	uint64_t begun = now_ns();
	pid_t child = start_child(execute, NULL);
	struct pc_event event = await_event(pc, PC_EVENT_EXEC, child);
	check_common(&event, begun, sizeof(event.data.exec));
	CHECK_EQ(event.data.exec.pid, child);
	CHECK_EQ(event.data.exec.tgid, child);
	CHECK_EQ(end_child(child), 0);
	pc_close(pc);
}

static void check_exit(void (*body)(void *), int signal)
{
	struct pc_connector *pc = open_connector(0, 0, 0);
	uint64_t begun = now_ns();
	pid_t child = start_child(body, NULL);
	if (signal)
		kill(child, signal);
	/* A process that is reaped before its event is made has no parent in it. */
	struct pc_event event = await_event(pc, PC_EVENT_EXIT, child);
	int status = end_child(child);
	check_common(&event, begun, sizeof(event.data.exit));
	CHECK_EQ(event.data.exit.pid, child);
	CHECK_EQ(event.data.exit.tgid, child);
	CHECK_EQ(event.data.exit.exit_code, status);
	CHECK_EQ(event.data.exit.exit_signal, SIGCHLD);
	CHECK_EQ(event.data.exit.parent_pid, getpid());
	CHECK_EQ(event.data.exit.parent_tgid, getpid());
	pc_close(pc);
}

PROMISE(exit_event, "EXIT carries the status that wait() returns")
{
	check_exit(exit_with_3, 0);
}

static void sleep_for_ever(void *unused)
{
	(void)unused;
	for (;;)
		pause();
}

PROMISE(killed_event, "EXIT of a killed process carries the signal")
{
	check_exit(sleep_for_ever, SIGKILL);
}

static void change_ids(void *unused)
{
	(void)unused;
	CHECK_PERMITTED(syscall(SYS_setresgid, 21, 22, 22));
	CHECK_PERMITTED(syscall(SYS_setresuid, 11, 12, 12));
}

PROMISE(id_events, "UID and GID carry real and effective ids")
{
	struct pc_connector *pc = open_connector(0, 0, 0);
	uint64_t begun = now_ns();
	pid_t child = start_child(change_ids, NULL);
	CHECK_EQ(end_child(child), 0);
	struct pc_event event = await_event(pc, PC_EVENT_GID, child);
	check_common(&event, begun, sizeof(event.data.gid));
	CHECK_EQ(event.data.gid.pid, child);
	CHECK_EQ(event.data.gid.rgid, 21);
	CHECK_EQ(event.data.gid.egid, 22);
	event = await_event(pc, PC_EVENT_UID, child);
	check_common(&event, begun, sizeof(event.data.uid));
	CHECK_EQ(event.data.uid.pid, child);
	CHECK_EQ(event.data.uid.ruid, 11);
	CHECK_EQ(event.data.uid.euid, 12);
	pc_close(pc);
}

static void start_session(void *unused)
{
	(void)unused;
	CHECK_EQ(setsid(), getpid());
}

PROMISE(session_event, "SID names the new session's leader")
{
	struct pc_connector *pc = open_connector(0, 0, 0);
	uint64_t begun = now_ns();
	pid_t child = start_child(start_session, NULL);
	struct pc_event event = await_event(pc, PC_EVENT_SID, child);
	check_common(&event, begun, sizeof(event.data.sid));
	CHECK_EQ(event.data.sid.pid, child);
	CHECK_EQ(event.data.sid.tgid, child);
	CHECK_EQ(end_child(child), 0);
	pc_close(pc);
}

PROMISE(ptrace_events, "PTRACE names the tracer when it attaches, and 0 when it detaches")
{
	struct pc_connector *pc = open_connector(0, 0, 0);
	uint64_t begun = now_ns();
	pid_t child = start_child(sleep_for_ever, NULL);
	int status;
	CHECK_EQ(ptrace(PTRACE_ATTACH, child, 0, 0), 0);
	CHECK_EQ(waitpid(child, &status, __WALL), child);
	CHECK_EQ(ptrace(PTRACE_DETACH, child, 0, 0), 0);
	struct pc_event event = await_event(pc, PC_EVENT_PTRACE, child);
	check_common(&event, begun, sizeof(event.data.ptrace));
	CHECK_EQ(event.data.ptrace.pid, child);
	CHECK_EQ(event.data.ptrace.tgid, child);
	CHECK_EQ(event.data.ptrace.tracer_pid, getpid());
	CHECK_EQ(event.data.ptrace.tracer_tgid, getpid());
	event = await_event(pc, PC_EVENT_PTRACE, child);
	CHECK_EQ(event.data.ptrace.tracer_pid, 0);
	CHECK_EQ(event.data.ptrace.tracer_tgid, 0);
	kill(child, SIGKILL);
	end_child(child);
	pc_close(pc);
}

PROMISE(comm_event, "COMM carries the new name, cut to 15 bytes and terminated")
{
	struct pc_connector *pc = open_connector(0, 0, 0);
	uint64_t begun = now_ns();
	rename_self("fifteen-bytes-long-and-more");
	struct pc_event event = await_event(pc, PC_EVENT_COMM, getpid());
	check_common(&event, begun, sizeof(event.data.comm));
	CHECK_EQ(event.data.comm.pid, getpid());
	CHECK(memcmp(event.data.comm.comm, "fifteen-bytes-l", 16) == 0);
	rename_self("x");
	event = await_event(pc, PC_EVENT_COMM, getpid());
	CHECK(memcmp(event.data.comm.comm, "x\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16) == 0);
	pc_close(pc);
}

static void dump_core(void *unused)
{
	(void)unused;
	struct rlimit none = { 0, 0 };
	setrlimit(RLIMIT_CORE, &none);
	signal(SIGABRT, SIG_DFL);
	/* Not abort(): valgrind would report it. */
	kill(getpid(), SIGABRT);
}

PROMISE(coredump_event, "COREDUMP comes before its EXIT, and names the parent")
{
	struct pc_connector *pc = open_connector(PC_MASK_COREDUMP | PC_MASK_EXIT, 0, 0);
	uint64_t begun = now_ns();
	prctl(PR_SET_DUMPABLE, 1);
	pid_t child = start_child(dump_core, NULL);
	int status = end_child(child);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	struct pc_event event = await_event(pc, PC_EVENT_COREDUMP, child);
	check_common(&event, begun, sizeof(event.data.coredump));
	CHECK_EQ(event.data.coredump.pid, child);
	CHECK_EQ(event.data.coredump.tgid, child);
	CHECK_EQ(event.data.coredump.parent_pid, getpid());
	CHECK_EQ(event.data.coredump.parent_tgid, getpid());
	event = await_event(pc, PC_EVENT_EXIT, child);
	CHECK_EQ(event.data.exit.exit_code & 0x7f, SIGABRT);
	pc_close(pc);
}

PROMISE(sequence_numbers, "the sequence numbers of each CPU rise")
{
	struct pc_connector *pc = open_connector(0, 0, 0);
	cpu_set_t one;
	CPU_ZERO(&one);
	CPU_SET((size_t)sched_getcpu(), &one);
	CHECK_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
	flood(100);
	uint32_t seq = await_event(pc, PC_EVENT_COMM, getpid()).seq;
	for (int i = 1; i < 100; i++) {
		struct pc_event event = await_event(pc, PC_EVENT_COMM, getpid());
		CHECK(event.seq - seq >= 1 && event.seq - seq < 1u << 31);
		seq = event.seq;
	}
	pc_close(pc);
}
