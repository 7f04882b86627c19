/* What a table tells of processes that its owner may not trace: their memory and status are hidden. */
#include "follower.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOBODY = 65534 };

static int gate[2], hidden[2];

static void pass(const int *pipe_ends)
{
	char byte;
	CHECK_EQ(read(pipe_ends[0], &byte, 1), 1);
}

static void pass_gate(void)
{
	pass(gate);
}

static void open_gate(void)
{
	CHECK_EQ(write(gate[1], "", 1), 1);
}

static void become_nobody(void)
{
	CHECK_PERMITTED(setresgid(NOBODY, NOBODY, NOBODY));
	CHECK_PERMITTED(setresuid(NOBODY, NOBODY, NOBODY));
}

static void *exit_with_seven(void *unused)
{
	pass_gate();
	syscall(SYS_exit_group, 7);
	return unused;
}

static void outlive_leader(void *unused)
{
	pthread_t thread;
	(void)unused;
	CHECK_EQ(pthread_create(&thread, NULL, exit_with_seven, NULL), 0);
	syscall(SYS_exit, 0);
}

static void await_zombie(pid_t pid)
{
	siginfo_t info;
	CHECK_EQ(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
}

static void follow_outliving(void *watched)
{
	struct follower f = open_follower(TABLE_OPTIONS(.fields = 0));
	CHECK_EQ(pipe(gate), 0);
	pid_t child = start_child(outlive_leader, NULL);
	while (pc_process_alive(child) != 2)
		usleep(1000);
	while (watched && state_of(&f, child) != PC_PROCESS_LEADER_GONE)
		hear(&f, 100);
	become_nobody();
	open_gate();
	await_zombie(child);
	struct pc_change change = await_change(&f, PC_CHANGE_EXITED, child);
	CHECK_CODE(&change, 7 << 8);
	end_child(child);
	CHECK_HISTORY(&f, child, "SE");
	exit(0);
}

PROMISE(watched, "the 0 that /proc shows of a process that may not be traced and outlived its leader is not taken for its exit code")
{
	in_child(follow_outliving, (void *)1);
}

PROMISE(unwatched, "the 0 that /proc shows of a process that may not be traced and outlived its leader is not taken for its exit code, even if the table was not followed until then")
{
	in_child(follow_outliving, NULL);
}

static void exit_with_three(void *unused)
{
	(void)unused;
	pass_gate();
	_exit(3);
}

static void follow_simple(void *unused)
{
	(void)unused;
	struct follower f = open_follower(TABLE_OPTIONS(.fields = 0));
	CHECK_EQ(pipe(gate), 0);
	int count = 0;
	for (; count < 100; count++)
		start_child(exit_with_three, NULL);
	become_nobody();
	while (count-- > 0) {
		open_gate();
		siginfo_t info;
		CHECK_EQ(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0);
		struct pc_change change = await_change(&f, PC_CHANGE_EXITED, info.si_pid);
		CHECK_EQ(change.flags, PC_CHANGE_EXIT_CODE);
		CHECK_EQ(change.exit_code, 3 << 8);
		end_child(info.si_pid);
	}
	exit(0);
}

PROMISE(simple, "the exit code of a zombie without threads that may not be traced is that of its EXIT")
{
	in_child(follow_simple, NULL);
}

static void hide(void *unused)
{
	(void)unused;
	pass_gate(); /* when it has been read */
	CHECK_EQ(prctl(PR_SET_DUMPABLE, 0), 0);
	CHECK_EQ(write(hidden[1], "", 1), 1);
	for (;;)
		pause();
}

static void follow_hiding(void *unused)
{
	(void)unused;
	struct follower f = open_follower(TABLE_OPTIONS(.fields = 0));
	become_nobody();
	CHECK_EQ(prctl(PR_SET_DUMPABLE, 1), 0);
	CHECK_EQ(pipe(gate), 0);
	CHECK_EQ(pipe(hidden), 0);
	pid_t child = start_child(hide, NULL);
	await_change(&f, PC_CHANGE_STARTED, child);
	open_gate();
	pass(hidden);
	CHECK_EQ(pc_table_rescan(f.table), 0);
	await_change(&f, PC_CHANGE_SYNCED, 0);
	CHECK_HISTORY(&f, child, "S");
	kill(child, SIGKILL);
	end_child(child);
	exit(0);
}

PROMISE(hiding, "a process that starts to hide its memory is not reported to run another program")
{
	in_child(follow_hiding, NULL);
}
