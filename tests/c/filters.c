/* What is wanted comes, what is not wanted does not, and it is the kernel that decides. */
#include "support.h"

#include <errno.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void end_badly(void *unused)
{
	(void)unused;
	exit(5);
}

static void *nothing(void *unused)
{
	return unused;
}

/* In a child of its own: one event of every kind at least, and a COMM at the very end. */
static void make_all_kinds(void *unused)
{
	(void)unused;
	pthread_t thread;
	CHECK_EQ(pthread_create(&thread, NULL, nothing, NULL), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(setsid(), getpid());
	pid_t child = fork();
	if (child == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		struct rlimit none = { 0, 0 };
		setrlimit(RLIMIT_CORE, &none);
		kill(getpid(), SIGSTOP);
		exec_self(NULL);
	}
	int status;
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(ptrace(PTRACE_DETACH, child, 0, SIGCONT), 0);
	CHECK_EQ(waitpid(child, &status, 0), child);
	child = fork();
	if (child == 0) {
		kill(getpid(), SIGABRT);
		_exit(127);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_PERMITTED(syscall(SYS_setresgid, 31, 31, 31));
	CHECK_PERMITTED(syscall(SYS_setresuid, 32, 32, 32));
	rename_self("all-kinds");
}

/* Runs f in a child until its EXIT has been queued, which may be after wait() has returned. */
static pid_t run_to_exit(void (*f)(void *), int status)
{
	struct pc_connector *exits = open_connector(PC_MASK_EXIT, 0, 0);
	pid_t child = start_child(f, NULL);
	CHECK_EQ(end_child(child), status);
	await_event(exits, PC_EVENT_EXIT, child);
	pc_close(exits);
	return child;
}

/* The kinds that arrive, as a mask; each event is counted as received. */
static uint32_t kinds_received(struct pc_connector *pc)
{
	uint32_t kinds = 0;
	uint64_t received = stats_of(pc).received;
	struct pc_event event;
	while (pc_recv(pc, &event, 0) == 1) {
		kinds |= 1u << event.kind;
		received++;
	}
	CHECK_EQ(stats_of(pc).received, received);
	return kinds;
}

PROMISE(masks, "each mask bit admits its own kind and no other")
{
	struct pc_connector *handles[10];
	for (uint32_t kind = PC_EVENT_FORK; kind <= PC_EVENT_COREDUMP; kind++)
		handles[kind] = open_connector(1u << kind, 0, 0);
	struct pc_connector *all = open_connector(PC_MASK_ALL, 0, 0);
	run_to_exit(make_all_kinds, 0);
	for (uint32_t kind = PC_EVENT_FORK; kind <= PC_EVENT_COREDUMP; kind++) {
		CHECK_EQ(kinds_received(handles[kind]), 1u << kind);
		CHECK_EQ(stats_of(handles[kind]).filtered, 0);
		pc_close(handles[kind]);
	}
	CHECK_EQ(kinds_received(all), PC_MASK_ALL);
	pc_close(all);
}

PROMISE(no_threads, "PC_FILTER_NO_THREADS discards the events of threads in the kernel")
{
	struct pc_connector *pc = open_connector(0, PC_FILTER_NO_THREADS, 0);
	run_to_exit(make_all_kinds, 0);
	struct pc_event event;
	uint32_t kinds = 0;
	while (pc_recv(pc, &event, 0) == 1) {
		kinds |= 1u << event.kind;
		if (event.kind == PC_EVENT_FORK)
			CHECK_EQ(event.data.fork.child_pid, event.data.fork.child_tgid);
		else
			CHECK_EQ(event.data.exec.pid, event.data.exec.tgid);
	}
	CHECK_EQ(kinds, PC_MASK_ALL);
	CHECK_EQ(stats_of(pc).filtered, 0);
	pc_close(pc);
}

PROMISE(nonzero_exit, "PC_FILTER_NONZERO_EXIT discards exits with code 0, and nothing else")
{
	struct pc_connector *pc = open_connector(0, PC_FILTER_NONZERO_EXIT, 0);
	run_to_exit(make_all_kinds, 0);
	pid_t bad = run_to_exit(end_badly, 5 << 8);
	struct pc_event event;
	uint32_t kinds = 0;
	bool seen = false;
	while (pc_recv(pc, &event, 0) == 1) {
		kinds |= 1u << event.kind;
		if (event.kind == PC_EVENT_EXIT) {
			CHECK(event.data.exit.exit_code != 0);
			seen |= event.data.exit.tgid == bad && event.data.exit.exit_code == 5 << 8;
		}
	}
	CHECK(seen);
	CHECK_EQ(kinds, PC_MASK_ALL);
	CHECK_EQ(stats_of(pc).filtered, 0);
	pc_close(pc);
}

static void set_filter(struct pc_connector *pc, uint32_t events, uint32_t flags)
{
	struct pc_options filter = PC_OPTIONS_INIT;
	filter.events = events;
	filter.flags = flags;
	CHECK_EQ(pc_set_filter(pc, &filter), 0);
}

PROMISE(queued_events, "events queued before pc_set_filter are judged by the new filter, and those it rejects are counted")
{
	struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, 0);
	flood(100);
	set_filter(pc, PC_MASK_EXEC, 0);
	CHECK_EQ(kinds_received(pc) & ~PC_MASK_EXEC, 0);
	CHECK(stats_of(pc).filtered >= 100);
	pc_close(pc);
}

PROMISE(filter_swap, "pc_set_filter replaces the kernel's filter, and NULL removes it")
{
	struct pc_connector *pc = open_connector(PC_MASK_EXEC, 0, 0);
	set_filter(pc, PC_MASK_COMM, 0);
	rename_self("wanted");
	await_event(pc, PC_EVENT_COMM, getpid());
	set_filter(pc, PC_MASK_EXEC, 0);
	/* The events of others that were queued before are discarded here, not in the kernel. */
	CHECK_EQ(kinds_received(pc) & ~PC_MASK_EXEC, 0);
	uint64_t filtered = stats_of(pc).filtered;
	flood(100);
	CHECK_EQ(kinds_received(pc) & ~PC_MASK_EXEC, 0);
	CHECK_EQ(stats_of(pc).filtered, filtered);
	CHECK_EQ(pc_set_filter(pc, NULL), 0);
	rename_self("wanted");
	await_event(pc, PC_EVENT_COMM, getpid());
	pc_close(pc);
}

static void acknowledgements_without_end(void *unused)
{
	(void)unused;
	/* On 6.6 and later anybody can; before, joining is enough to ask. */
	if (setresuid(65534, 65534, 65534) != 0)
		skip("cannot become nobody");
	int fd = socket(AF_NETLINK, SOCK_DGRAM, NETLINK_CONNECTOR);
	CHECK(fd >= 0);
	for (uint32_t ack = 0;; ack++)
		raw_request(fd, 9, ack);
}

PROMISE(acknowledgement_flood, "a flood of acknowledgements that another process causes makes no event and no loss, and pc_open succeeds")
{
	struct pc_connector *pc = open_connector(0, 0, 0);
	pid_t flooder = start_child(acknowledgements_without_end, NULL);
	for (int i = 0; i < 100; i++) {
		pc_close(open_connector(0, 0, 0));
		CHECK_EQ(pc_check(pc), 0);
		rename_self("amid the flood");
		await_event(pc, PC_EVENT_COMM, getpid());
	}
	drain(pc);
	struct pc_stats stats = stats_of(pc);
	CHECK_EQ(stats.lost + stats.filtered + stats.foreign + stats.malformed, 0);
	kill(flooder, SIGKILL);
	end_child(flooder);
	pc_close(pc);
}
