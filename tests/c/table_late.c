/* Exit codes, for a table that is read late. */
#include "follower.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LIVES = 50 };

static void exit_with(void *code)
{
	_exit((int)(intptr_t)code);
}

static void *sleep_for_ever(void *unused)
{
	for (;;)
		pause();
	return unused;
}

static void start_thread_and_exit_with(void *code)
{
	pthread_t thread;
	pthread_create(&thread, NULL, sleep_for_ever, NULL);
	exit_with(code);
}

static void *outlive_leader(void *unused)
{
	while (pc_process_alive(getpid()) != 2)
		usleep(100);
	usleep(20000);
	_exit(9);
	return unused;
}

static void let_thread_outlive(void *code)
{
	pthread_t thread;
	pthread_create(&thread, NULL, outlive_leader, NULL);
	syscall(SYS_exit, (int)(intptr_t)code);
}

/* The exit of a child. A fork storm can give the pid to two processes within a second, so it is known by its id. */
static const struct pc_change *exit_of(struct follower *f, pid_t pid)
{
	uint64_t id = 0;
	for (size_t i = 0;; i++) {
		if (i == f->count && !hear(f, PATIENCE_MS))
			fail(__FILE__, __LINE__, "no EXITED of %d", (int)pid);
		const struct pc_change *change = &f->told[i];
		const struct pc_process *process = &change->process;
		if (change->kind == PC_CHANGE_STARTED && process->pid == pid && process->parent_pid == getpid())
			id = process->id;
		if (change->kind == PC_CHANGE_EXITED && id != 0 && process->id == id)
			return change;
	}
}

/* Processes exit with 1, 2, 3 …, and are reaped. Nobody reads the table meanwhile. */
static void live_unread(void (*live)(void *), pid_t pids[LIVES])
{
	for (int i = 0; i < LIVES; i++) {
		pids[i] = start_child(live, (void *)(intptr_t)(i + 1));
		end_child(pids[i]);
	}
	usleep(100000);
}

static void check_codes(struct pc_table_options options, void (*live)(void *), uint32_t expected)
{
	struct follower f = open_follower(options);
	/* Until then, the EXIT of a process that was reaped soon might be that of another. */
	usleep(1100000);
	pid_t pids[LIVES];
	live_unread(live, pids);
	for (int i = 0; i < LIVES; i++) {
		const struct pc_change *change = exit_of(&f, pids[i]);
		CHECK_EQ(change->exit_code, (i + 1) << 8);
		CHECK_EQ(change->flags & (PC_CHANGE_EXIT_CODE | PC_CHANGE_LEADER_CODE), expected);
	}
	close_follower(&f);
}

PROMISE(single_threaded, "the exit code of a process that never had a second thread is its own, however late the table is read")
{
	check_codes(TABLE_OPTIONS(.fields = 0), exit_with, PC_CHANGE_EXIT_CODE);
}

PROMISE(multithreaded, "the exit code of a process that had threads and was reaped before the table read its exit is the leader's")
{
	check_codes(TABLE_OPTIONS(.fields = 0), start_thread_and_exit_with,
		    PC_CHANGE_EXIT_CODE | PC_CHANGE_LEADER_CODE);
}

PROMISE(outlived, "the exit code of a process whose thread outlived the leader, read when both are gone, is the leader's")
{
	check_codes(TABLE_OPTIONS(.fields = 0), let_thread_outlive,
		    PC_CHANGE_EXIT_CODE | PC_CHANGE_LEADER_CODE);
}

PROMISE(threads_ignored, "a table that ignores threads and is read late knows only the leader's exit code")
{
	check_codes(TABLE_OPTIONS(.flags = PC_TABLE_IGNORE_THREADS), exit_with,
		    PC_CHANGE_EXIT_CODE | PC_CHANGE_LEADER_CODE);
}

/* How many processes that nobody waits for have exit codes of their own. */
static int own_codes_of_unawaited(void)
{
	struct follower f = open_follower(TABLE_OPTIONS(.fields = 0));
	usleep(1100000);
	pid_t pids[LIVES];
	int own = 0;
	for (int i = 0; i < LIVES; i++)
		pids[i] = start_child(exit_with, (void *)(intptr_t)(i + 1));
	for (int i = 0; i < LIVES; i++) {
		const struct pc_change *change = exit_of(&f, pids[i]);
		CHECK_EQ(change->exit_code, (i + 1) << 8);
		own += change->flags == PC_CHANGE_EXIT_CODE;
	}
	close_follower(&f);
	return own;
}

PROMISE(unawaited, "the exit code of a process whose parent ignores SIGCHLD is its own, from a second after the table was opened")
{
	signal(SIGCHLD, SIG_IGN);
	/* Another program's process may leave the table without an EXIT: then the second begins again. */
	for (int try = 1; own_codes_of_unawaited() < LIVES; try++)
		CHECK(try < 30);
}

static void *end_at_once(void *unused)
{
	return unused;
}

static void have_many_threads(void *count)
{
	for (long i = 0; i < *(const long *)count; i++) {
		pthread_t thread;
		CHECK_EQ(pthread_create(&thread, NULL, end_at_once, NULL), 0);
		pthread_join(thread, NULL);
	}
	_exit(7);
}

/* How many events the table receives meanwhile, and how many of processes there are. */
static uint64_t received_of_many_threads(long threads, uint64_t *of_processes)
{
	struct follower f = open_follower(TABLE_OPTIONS(.fields = PC_FIELD_PARENT));
	struct pc_connector *pc = open_connector(PC_MASK_FORK | PC_MASK_EXEC | PC_MASK_EXIT,
						 PC_FILTER_NO_THREADS, 0);
	uint64_t before = table_stats(&f).received;
	pid_t child = start_child(have_many_threads, &threads);
	const struct pc_change *change = exit_of(&f, child);
	CHECK_CODE(change, 7 << 8);
	uint64_t received = table_stats(&f).received - before;
	end_child(child);
	close_follower(&f);
	*of_processes = drain(pc);
	*of_processes += stats_of(pc).lost;
	pc_close(pc);
	return received;
}

PROMISE(many_threads, "the threads of a process that has many cost a table no events, except in a sandbox")
{
	long threads = repetitions(20000);
	uint64_t of_processes;
	skip_if_instrumented();
	uint64_t received = received_of_many_threads(threads, &of_processes);
	CHECK(received < of_processes + (uint64_t)threads / 2);
	deny(SYS_getcpu, ENOSYS); /* a seccomp filter */
	CHECK(received_of_many_threads(threads, &of_processes) >= (uint64_t)threads);
}
