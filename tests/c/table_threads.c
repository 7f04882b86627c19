/* Threads are no processes, and a process is not its leader. */
#include "follower.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static struct follower open_default(void)
{
	return open_follower(TABLE_OPTIONS(.fields = 0));
}

PROMISE(threads, "the table reports no start, name or exit of a thread, because threads are not processes")
{
	struct follower f = open_default();
	struct puppet puppet = start_puppet();
	await_change(&f, PC_CHANGE_STARTED, puppet.pid);
	size_t before = f.count;
	for (int i = 0; i < 10; i++)
		order(&puppet, 't');
	order(&puppet, 'n');
	await_change(&f, PC_CHANGE_RENAMED, puppet.pid);
	for (; before < f.count; before++) {
		pid_t pid = f.told[before].process.pid;
		CHECK(f.told[before].process.parent_pid != puppet.pid);
		CHECK(pid == puppet.pid || f.told[before].process.parent_pid != getpid());
	}
	CHECK_HISTORY(&f, puppet.pid, "SN");
	dismiss(&puppet, 'q');
	close_follower(&f);
}

/* Hears until the leader's end has been noticed. */
static void await_leader_gone(struct follower *f, pid_t pid)
{
	while (state_of(f, pid) != PC_PROCESS_LEADER_GONE)
		hear(f, 1);
}

static void check_leader_gone(struct follower *f, char last_order)
{
	struct puppet puppet = start_puppet();
	order(&puppet, 'l');
	await_leader_gone(f, puppet.pid);
	catch_up(f);
	CHECK_HISTORY(f, puppet.pid, "S");
	int status = dismiss(&puppet, last_order);
	struct pc_change change = await_change(f, PC_CHANGE_EXITED, puppet.pid);
	CHECK_CODE(&change, status);
	catch_up(f);
	CHECK_HISTORY(f, puppet.pid, "SE");
}

PROMISE(leader_gone, "a process that outlives its leader is EXITED with its last thread, and its exit code is right or called the leader's")
{
	struct follower f = open_default();
	int before = open_descriptors();
	check_leader_gone(&f, 'q');
	check_leader_gone(&f, 'Q');
	CHECK_EQ(open_descriptors(), before);
	close_follower(&f);
}

PROMISE(leader_gone_first, "the exit code of a process that outlived its leader is right or called the leader's, even if the leader's EXIT is read last")
{
	struct follower f = open_default();
	for (int life = 0; life < 10; life++) {
		hear_all(&f);
		struct puppet puppet = start_puppet();
		order(&puppet, 'l');
		await_leader_gone(&f, puppet.pid);
		int status = dismiss(&puppet, 'Q');
		struct pc_change change = await_change(&f, PC_CHANGE_EXITED, puppet.pid);
		CHECK_CODE(&change, status);
	}
	close_follower(&f);
}

PROMISE(leader_gone_unread, "the exit code of a process that outlived its leader is right or called the leader's, even if both exited before the table reads it")
{
	struct follower f = open_default();
	for (const char *last = "qQ"; *last; last++) {
		struct puppet puppet = start_puppet();
		order(&puppet, 'l');
		order(&puppet, *last);
		siginfo_t info;
		CHECK_EQ(waitid(P_PID, (id_t)puppet.pid, &info, WEXITED | WNOWAIT), 0);
		usleep(20000); /* before, not every kernel can tell */
		struct pc_change change = await_change(&f, PC_CHANGE_EXITED, puppet.pid);
		CHECK_CODE(&change, end_child(puppet.pid));
		CHECK_HISTORY(&f, puppet.pid, "SE");
	}
	close_follower(&f);
}

PROMISE(leader_gone_found, "a process without a leader is found by a new table, and its exit is reported")
{
	struct puppet puppet = start_puppet();
	order(&puppet, 'l');
	struct follower f = open_default();
	CHECK_EQ(state_of(&f, puppet.pid), PC_PROCESS_LEADER_GONE);
	int status = dismiss(&puppet, 'q');
	struct pc_change change = await_change(&f, PC_CHANGE_EXITED, puppet.pid);
	CHECK_CODE(&change, status);
	CHECK_HISTORY(&f, puppet.pid, "FE");
	close_follower(&f);
}

static void check_thread_exec(struct follower *f, const char *orders, bool stalled)
{
	struct puppet puppet = start_puppet();
	for (; *orders; orders++) {
		order(&puppet, *orders);
		if (*orders == 'l' && !stalled)
			await_leader_gone(f, puppet.pid);
	}
	if (!stalled) {
		await_change(f, PC_CHANGE_EXECED, puppet.pid);
		CHECK_EQ(state_of(f, puppet.pid), 0);
		CHECK_EQ(look_up(f, puppet.pid).valid & PC_FIELD_COMM, PC_FIELD_COMM);
	}
	CHECK_EQ(dismiss(&puppet, 'q'), 3 << 8);
	struct pc_change change = await_change(f, PC_CHANGE_EXITED, puppet.pid);
	CHECK_CODE(&change, 3 << 8);
	catch_up(f);
	CHECK_HISTORY(f, puppet.pid, "SXE");
}

PROMISE(thread_exec, "the exec of a thread is reported as one EXECED and no EXITED, whether its leader lives or is gone")
{
	struct follower f = open_default();
	for (int stalled = 0; stalled < 2; stalled++) {
		check_thread_exec(&f, "X", stalled);
		check_thread_exec(&f, "lX", stalled);
	}
	close_follower(&f);
}

PROMISE(failed_exec, "the exec of a thread that fails beyond the point of no return is reported as one EXITED")
{
	struct follower f = open_default();
	for (int round = 0; round < 6; round++) {
		struct puppet puppet = start_puppet();
		if (round % 3 == 1)
			order(&puppet, 'l');
		int status;
		if (round % 2) {
			await_change(&f, PC_CHANGE_STARTED, puppet.pid);
			status = dismiss(&puppet, 'b');
		} else {
			status = dismiss(&puppet, 'b');
		}
		CHECK(WIFSIGNALED(status));
		struct pc_change change = await_change(&f, PC_CHANGE_EXITED, puppet.pid);
		CHECK_CODE(&change, status);
		catch_up(&f);
		CHECK_HISTORY(&f, puppet.pid, "SE");
	}
	close_follower(&f);
}
