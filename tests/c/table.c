/* What a table tells: list, then follow. */
#include "follower.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct follower open_default(void)
{
	return open_follower(TABLE_OPTIONS(.fields = 0));
}

PROMISE(found, "a new table reports every process once, in the order of pids, then SYNCED; it then agrees with /proc")
{
	struct puppet puppet = start_puppet();
	struct follower f = open_unheard(TABLE_OPTIONS(.fields = 0));
	CHECK_EQ(pc_table_count(f.table), 0);
	pid_t last = 0;
	size_t found = 0;
	const struct pc_change *change;
	while ((change = hear(&f, PATIENCE_MS))->kind == PC_CHANGE_FOUND) {
		CHECK(change->process.pid > last);
		CHECK(change->timestamp_ns > 0 && change->timestamp_ns <= now_ns());
		CHECK_EQ(change->flags, 0);
		CHECK_EQ(change->process.user, 0);
		last = change->process.pid;
		CHECK_EQ(pc_table_count(f.table), ++found);
	}
	static const struct pc_process none;
	CHECK_EQ(change->kind, PC_CHANGE_SYNCED);
	CHECK_EQ(change->flags, 0);
	CHECK_EQ(change->lost, 0);
	CHECK_EQ(change->since_ns, 0);
	CHECK(memcmp(&change->process, &none, sizeof(none)) == 0);
	CHECK_HISTORY(&f, 1, "F");
	CHECK_HISTORY(&f, getpid(), "F");
	CHECK_HISTORY(&f, puppet.pid, "F");
	CHECK_EQ(look_up(&f, puppet.pid).parent_id, look_up(&f, getpid()).id);
	check_table_is_proc(&f);
	CHECK_EQ(WEXITSTATUS(dismiss(&puppet, 'q')), 3);
	await_change(&f, PC_CHANGE_EXITED, puppet.pid);
	CHECK_HISTORY(&f, puppet.pid, "FE");
	close_follower(&f);
}

/* Returns the next process above a pid, if its parent comes before it; otherwise 0. */
static pid_t next_child(pid_t pid)
{
	struct pc_process process;
	while (pc_process_read(++pid, &process) != 1)
		;
	return process.parent_pid < pid ? pid : 0;
}

PROMISE(found_at_once, "a new table reports the processes with the lowest pids before it reads the others: with max_work 1, one in each call that does not wait")
{
	enum { LOWEST = 5 }; /* they stay: the first process and kernel threads */
	for (uint32_t max_work = 0; max_work < 2; max_work++) {
		struct puppet puppet = start_puppet();
		struct follower f = open_unheard(TABLE_OPTIONS(.max_work = max_work));
		for (pid_t pid = 0; f.count < LOWEST && (pid = next_child(pid)) > 0;) {
			const struct pc_change *change = hear(&f, 0);
			CHECK(change != NULL);
			CHECK_EQ(change->kind, PC_CHANGE_FOUND);
			CHECK_EQ(change->process.pid, pid);
		}
		CHECK(f.count > 0);
		CHECK(f.told[f.count - 1].process.pid < puppet.pid);
		dismiss(&puppet, 'q');
		await_change(&f, PC_CHANGE_SYNCED, 0);
		CHECK_HISTORY(&f, puppet.pid, ""); /* it was not read before it exited */
		close_follower(&f);
	}
}

PROMISE(kernel_threads, "a kernel thread is marked in the table, and its name is never valid")
{
	struct follower f = open_default();
	struct pc_process process = look_up(&f, 2);
	CHECK_EQ(process.state, PC_PROCESS_KERNEL_THREAD);
	CHECK_EQ(process.valid & PC_FIELD_COMM, 0);
	CHECK(strcmp(process.comm, "kthreadd") == 0);
	CHECK_EQ(process.parent_id, 0);
	close_follower(&f);
}

PROMISE(life, "the table reports the life of a process step by step, each step once, with what it changed")
{
	struct follower f = open_default();
	struct puppet puppet = start_puppet();
	struct pc_process self = look_up(&f, getpid()), child, read;
	struct pc_change change = await_change(&f, PC_CHANGE_STARTED, puppet.pid);
	child = change.process;
	CHECK_EQ(child.parent_pid, getpid());
	CHECK_EQ(child.parent_id, self.id);
	CHECK_EQ(child.user, 0);
	CHECK_EQ(child.state, 0);
	CHECK_EQ(child.valid, self.valid);
	CHECK_EQ(pc_table_set_user(f.table, puppet.pid, ~0ull), 0);

	order(&puppet, 'x');
	change = await_change(&f, PC_CHANGE_EXECED, puppet.pid);
	CHECK(read_proc(puppet.pid, &read));
	CHECK(strcmp(change.process.comm, read.comm) == 0);
	CHECK_EQ(change.process.start_boottime_ns, read.start_boottime_ns);
	CHECK_EQ(change.process.user, ~0ull);

	order(&puppet, 'n');
	change = await_change(&f, PC_CHANGE_RENAMED, puppet.pid);
	CHECK(strcmp(change.process.comm, "puppet 1") == 0);

	CHECK(change.process.session != puppet.pid);
	order(&puppet, 's');
	change = await_change(&f, PC_CHANGE_SESSION, puppet.pid);
	CHECK_EQ(change.process.session, puppet.pid);

	order(&puppet, 'g');
	change = await_change(&f, PC_CHANGE_CREDENTIALS, puppet.pid);
	CHECK_EQ(change.process.rgid, 1001);
	CHECK_EQ(change.process.egid, 0);
	order(&puppet, 'u');
	change = await_change(&f, PC_CHANGE_CREDENTIALS, puppet.pid);
	CHECK_EQ(change.process.ruid, 1002);
	CHECK_EQ(change.process.euid, 0);

	uint64_t before = now_ns();
	CHECK_EQ(dismiss(&puppet, 'q'), 3 << 8);
	change = await_change(&f, PC_CHANGE_EXITED, puppet.pid);
	CHECK(change.flags & PC_CHANGE_EXIT_CODE);
	CHECK_EQ(change.exit_code, 3 << 8);
	CHECK(change.timestamp_ns >= before && change.timestamp_ns <= now_ns());
	CHECK_EQ(change.process.user, ~0ull);
	CHECK_EQ(change.process.id, child.id);
	CHECK_EQ(change.process.ruid, 1002);
	catch_up(&f);
	CHECK_HISTORY(&f, puppet.pid, "SXNICCE");
	close_follower(&f);
}

PROMISE(same_name, "neither a renaming to the old name, nor a change of a field that was not asked for, is reported")
{
	struct follower f = open_default();
	struct follower other = open_follower(TABLE_OPTIONS(.fields = PC_FIELD_SESSION));
	struct puppet puppet = start_puppet();
	await_change(&f, PC_CHANGE_STARTED, puppet.pid);
	await_change(&other, PC_CHANGE_STARTED, puppet.pid);
	rename_self("once");
	rename_self("once");
	order(&puppet, 'n');
	order(&puppet, 'u');
	await_change(&f, PC_CHANGE_CREDENTIALS, puppet.pid);
	order(&puppet, 's');
	struct pc_change change = await_change(&other, PC_CHANGE_SESSION, puppet.pid);
	CHECK_EQ(change.process.valid, PC_FIELD_PARENT | PC_FIELD_START | PC_FIELD_SESSION);
	catch_up(&f);
	CHECK_HISTORY(&other, puppet.pid, "SI");
	CHECK_HISTORY(&f, puppet.pid, "SNCI");
	CHECK_HISTORY(&f, getpid(), "FNN");
	close_follower(&other);
	close_follower(&f);
}

PROMISE(killed, "the exit code in EXITED is the wait status, also of a process that a signal killed")
{
	struct follower f = open_default();
	struct puppet puppet = start_puppet();
	kill(puppet.pid, SIGKILL);
	CHECK_EQ(end_child(puppet.pid), SIGKILL);
	struct pc_change change = await_change(&f, PC_CHANGE_EXITED, puppet.pid);
	CHECK(change.flags & PC_CHANGE_EXIT_CODE);
	CHECK_EQ(change.exit_code, SIGKILL);
	CHECK_HISTORY(&f, puppet.pid, "SE");
	close_follower(&f);
}

PROMISE(unreaped, "the exit code of an unreaped process that had threads is its own on new kernels, and its leader's on old ones")
{
	struct utsname kernel;
	int major, minor;
	uname(&kernel);
	CHECK_EQ(sscanf(kernel.release, "%d.%d", &major, &minor), 2);
	/* valgrind has no pidfd: there the table is as on an old kernel. */
	int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	bool asks = pidfd >= 0 && (major > 6 || (major == 6 && minor >= 15));
	close(pidfd);
	struct follower f = open_default();
	struct puppet puppet = start_puppet();
	siginfo_t info;
	order(&puppet, 't');
	kill(puppet.pid, SIGKILL);
	CHECK_EQ(waitid(P_PID, (id_t)puppet.pid, &info, WEXITED | WNOWAIT), 0);
	struct pc_change change = await_change(&f, PC_CHANGE_EXITED, puppet.pid);
	CHECK_EQ(change.flags, PC_CHANGE_EXIT_CODE | (asks ? 0 : PC_CHANGE_LEADER_CODE));
	CHECK_EQ(change.exit_code, SIGKILL);
	end_child(puppet.pid);
	close_follower(&f);
}

PROMISE(short_life, "a process that exits before the table can read it is reported as STARTED, EXECED and EXITED, with valid fields that are right")
{
	struct follower f = open_default();
	struct pc_process self = look_up(&f, getpid());
	CHECK_EQ(pc_table_set_user(f.table, getpid(), 5), 0);
	struct puppet puppet = start_puppet();
	pid_t child = order(&puppet, 'F');
	order(&puppet, 'x');
	CHECK_EQ(dismiss(&puppet, 'q'), 3 << 8);
	struct pc_change started = await_change(&f, PC_CHANGE_STARTED, puppet.pid);
	CHECK_EQ(started.process.valid, PC_FIELD_PARENT);
	CHECK_EQ(started.process.parent_id, self.id);
	CHECK_EQ(started.process.ruid, self.ruid);
	CHECK_EQ(started.process.session, self.session);
	CHECK_EQ(started.process.user, 0);
	CHECK_EQ(started.process.state, 0);
	struct pc_change exited = await_change(&f, PC_CHANGE_EXITED, puppet.pid);
	CHECK_CODE(&exited, 3 << 8);
	CHECK_EQ(exited.process.valid, PC_FIELD_PARENT);
	catch_up(&f);
	CHECK_HISTORY(&f, puppet.pid, "SXE");
	CHECK_HISTORY(&f, child, "SE");
	close_follower(&f);
}

PROMISE(each, "a walk through the table visits once, in the order of pids, every process that is there all the time, whatever exits in between")
{
	struct puppet puppets[6];
	struct pc_process process;
	uint64_t cursor = 0;
	int met[6] = { 0 };
	for (int i = 0; i < 6; i++)
		puppets[i] = start_puppet();
	struct follower f = open_default();
	while (pc_table_each(f.table, &cursor, &process) == 1) {
		for (int i = 0; i < 6; i++)
			met[i] += process.pid == puppets[i].pid;
		if (process.pid == puppets[2].pid)
			for (int i = 1; i < 4; i++) {
				dismiss(&puppets[i], 'q');
				await_change(&f, PC_CHANGE_EXITED, puppets[i].pid);
			}
	}
	for (int i = 0; i < 6; i++)
		CHECK_EQ(met[i], i != 3);
	for (int i = 0; i < 6; i++)
		if (i < 1 || i > 3)
			dismiss(&puppets[i], 'q');
	close_follower(&f);
}

/* Which of these two is told first; both are. */
static bool is_told_before(const struct follower *f, uint32_t kind, pid_t pid, uint32_t other_kind,
			   pid_t other)
{
	for (size_t i = 0; i < f->count; i++) {
		if (f->told[i].kind == kind && f->told[i].process.pid == pid)
			return true;
		if (f->told[i].kind == other_kind && f->told[i].process.pid == other)
			return false;
	}
	return false;
}

static void check_orphan(struct follower *f, bool stalled)
{
	struct puppet puppet = start_puppet();
	pid_t orphan = order(&puppet, 'f');
	if (!stalled)
		await_change(f, PC_CHANGE_STARTED, orphan);
	dismiss(&puppet, 'q');
	struct pc_change change = await_change(f, PC_CHANGE_REPARENTED, orphan);
	struct pc_process read;
	CHECK(read_proc(orphan, &read));
	CHECK(read.parent_pid != puppet.pid);
	CHECK_EQ(change.process.parent_pid, read.parent_pid);
	CHECK_EQ(change.process.parent_id, look_up(f, read.parent_pid).id);
	if (!stalled)
		CHECK(is_told_before(f, PC_CHANGE_EXITED, puppet.pid, PC_CHANGE_REPARENTED, orphan));
	kill(orphan, SIGKILL);
	await_change(f, PC_CHANGE_EXITED, orphan);
	CHECK_HISTORY(f, orphan, "SPE");
	CHECK_HISTORY(f, puppet.pid, "SE");
}

PROMISE(orphans, "orphans are REPARENTED to init or to a subreaper, after their parent's exit")
{
	struct follower f = open_default();
	check_orphan(&f, false);
	check_orphan(&f, true);
	CHECK_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	check_orphan(&f, false);
	check_orphan(&f, true);
	close_follower(&f);
}

PROMISE(siblings, "with CLONE_PARENT the table reports the caller's parent; after vfork it reports the child's whole life")
{
	struct follower f = open_default();
	struct puppet puppet = start_puppet();
	pid_t sibling = order(&puppet, 'c');
	struct pc_change change = await_change(&f, PC_CHANGE_STARTED, sibling);
	CHECK_EQ(change.process.parent_pid, getpid());
	CHECK_EQ(change.process.parent_id, look_up(&f, getpid()).id);
	pid_t child = order(&puppet, 'v');
	await_change(&f, PC_CHANGE_EXITED, child);
	CHECK_HISTORY(&f, child, "SXE");
	dismiss(&puppet, 'q');
	await_change(&f, PC_CHANGE_EXITED, puppet.pid);
	kill(sibling, SIGKILL);
	end_child(sibling);
	await_change(&f, PC_CHANGE_EXITED, sibling);
	CHECK_HISTORY(&f, sibling, "SE");
	close_follower(&f);
}

PROMISE(reused_pid, "the owners of a reused pid are reported one after the other, with different ids, whether they are read soon or late")
{
	struct follower f = open_default();
	for (int round = 0; round < 40; round++) {
		/* All ways to read them: the first one, in another tick of the clock, the second one. */
		bool soon = round & 1, old = round & 2, late = round & 4;
		struct puppet puppet = start_puppet();
		if (soon) {
			await_change(&f, PC_CHANGE_STARTED, puppet.pid);
			CHECK_EQ(pc_table_set_user(f.table, puppet.pid, 77), 0);
		}
		if (old)
			usleep(20000);
		dismiss(&puppet, 'q');
		pid_t again = start_as(puppet.pid);
		if (again < 0)
			continue; /* somebody else was faster */
		while (!late && strlen(history(&f, again)) < 3)
			CHECK(hear(&f, PATIENCE_MS) != NULL);
		kill(again, SIGKILL);
		int status = end_child(again);
		while (strlen(history(&f, again)) < 4)
			CHECK(hear(&f, PATIENCE_MS) != NULL);
		CHECK_HISTORY(&f, again, "SESE");
		const struct pc_change *life[4];
		for (size_t i = 0, count = 0; i < f.count; i++)
			if (f.told[i].process.pid == again)
				life[count++] = &f.told[i];
		CHECK(life[0]->process.id != life[2]->process.id);
		CHECK_EQ(life[1]->process.user, soon ? 77 : 0);
		CHECK_EQ(life[2]->process.user, 0);
		CHECK_CODE(life[1], 3 << 8);
		CHECK_CODE(life[3], status);
	}
	close_follower(&f);
}

/* Waits for the beginning of a tick of /proc's clock. */
static void start_tick(void)
{
	struct timespec time;
	do
		clock_gettime(CLOCK_BOOTTIME, &time);
	while (time.tv_nsec % 10000000 > 300000);
}

static pid_t start_and_run(void)
{
	int pipes[2];
	char byte;
	CHECK_EQ(pipe(pipes), 0);
	pid_t child = fork();
	if (child == 0) {
		CHECK_EQ(write(pipes[1], "", 1), 1);
		for (;;)
			pause();
	}
	CHECK_EQ(read(pipes[0], &byte, 1), 1);
	close(pipes[0]);
	close(pipes[1]);
	return child;
}

PROMISE(reused_in_a_tick, "the owners of a reused pid are reported one after the other, even if both started in one tick of /proc's clock and the FORK of the first was not received")
{
	for (int round = 0; round < 20; round++) {
		start_tick();
		pid_t first = start_and_run();
		struct follower f = open_unheard(TABLE_OPTIONS(.fields = 0));
		await_change(&f, PC_CHANGE_FOUND, first);
		kill(first, SIGKILL);
		end_child(first);
		pid_t again = start_as(first);
		if (again > 0) {
			CHECK_HISTORY(&f, first, "FES");
			kill(again, SIGKILL);
			end_child(again);
		}
		close_follower(&f);
	}
}

PROMISE(reused_unreaped, "the exit code of a pid's first owner is never taken from the second, even if the second is a zombie by then")
{
	for (int round = 0; round < 20; round++) {
		struct follower f = open_default();
		start_tick();
		pid_t first = fork();
		if (first == 0) {
			usleep(2000);
			_exit(1);
		}
		await_change(&f, PC_CHANGE_STARTED, first);
		end_child(first);
		pid_t again = clone_with_id(first);
		if (again == 0)
			_exit(2);
		if (again > 0) {
			siginfo_t info;
			CHECK_EQ(waitid(P_PID, (id_t)again, &info, WEXITED | WNOWAIT), 0);
			struct pc_change change = await_change(&f, PC_CHANGE_EXITED, first);
			CHECK_CODE(&change, 1 << 8);
			end_child(again);
		}
		close_follower(&f);
	}
}

static pid_t free_id(pid_t from, int step)
{
	while (kill(from, 0) == 0)
		from += step;
	return from;
}

/* The ids that new processes get rise up to the highest one, and begin again. */
static pid_t newest_id(void)
{
	pid_t child = fork();
	CHECK(child >= 0);
	if (child == 0)
		_exit(0);
	end_child(child);
	return child;
}

static pid_t highest_id(void)
{
	int limit;
	FILE *file = fopen("/proc/sys/kernel/pid_max", "r");
	CHECK(file && fscanf(file, "%d", &limit) == 1);
	fclose(file);
	return limit - 1;
}

static void end_started(pid_t pid)
{
	if (pid > 0) {
		kill(pid, SIGKILL);
		end_child(pid);
	}
}

/* False if the ids that other programs got meanwhile were near these. */
static bool has_late_parent(void)
{
	enum { BEHIND = 5 }; /* what the scan has still to pass */
	pid_t low = free_id(300, 1), high = free_id(highest_id(), -1), begun;
	pid_t behind[BEHIND], child = -1;
	do /* leave the lower ids behind */
		begun = newest_id();
	while (begun <= low + 2 * BEHIND);
	int pipes[2], below = 0;
	CHECK_EQ(pipe(pipes), 0);
	for (int i = 0; i < BEHIND; i++)
		behind[i] = start_as(free_id(low + 1, 1));
	struct follower f = open_unheard(TABLE_OPTIONS(.max_work = 1));
	for (pid_t pid = 1; pid <= low; pid++)
		below += kill(pid, 0) == 0 && pc_process_alive(pid) != -ESRCH;
	for (int i = 0; i < below + 3; i++) /* a process for each call */
		hear(&f, 0);
	pid_t parent = clone_with_id(low);
	if (parent < 0 && errno != EEXIST)
		skip("clone3 with set_tid needs CAP_SYS_ADMIN and Linux 5.5");
	if (parent == 0) {
		child = start_as(high);
		CHECK_EQ(write(pipes[1], &child, sizeof(child)), sizeof(child));
		for (;;)
			pause();
	}
	if (parent > 0)
		CHECK_EQ(read(pipes[0], &child, sizeof(child)), sizeof(child));
	/* If new processes came or went near the lower id, the scan is not where it was counted to be. */
	pid_t ended = newest_id();
	bool undisturbed = begun <= ended && child > 0;
	if (undisturbed) {
		await_change(&f, PC_CHANGE_STARTED, parent);
		catch_up(&f);
		CHECK_EQ(look_up(&f, child).parent_id, look_up(&f, parent).id);
	}
	if (child > 0)
		kill(child, SIGKILL);
	end_started(parent);
	for (int i = 0; i < BEHIND; i++)
		end_started(behind[i]);
	close(pipes[0]);
	close(pipes[1]);
	close_follower(&f);
	return undisturbed;
}

PROMISE(late_parent, "a child that the first scan finds has the right parent_id, although the scan missed the parent")
{
	int trial = 1;
	while (!has_late_parent())
		CHECK(trial++ < TRIALS);
}

PROMISE(reused_unlost, "the new owner of a pid that is read before its FORK arrives is not marked RECOVERED, because nothing was lost")
{
	struct follower f = open_default();
	pid_t again = -1;
	for (int trial = 0; again < 0; trial++) { /* while another program takes the pid */
		CHECK(trial < TRIALS);
		struct puppet puppet = start_puppet();
		await_change(&f, PC_CHANGE_STARTED, puppet.pid);
		usleep(20000); /* in another tick of the clock */
		dismiss(&puppet, 'q');
		again = start_as(puppet.pid);
	}
	CHECK_EQ(await_change(&f, PC_CHANGE_STARTED, again).flags, 0);
	kill(again, SIGKILL);
	end_child(again);
	close_follower(&f);
}
