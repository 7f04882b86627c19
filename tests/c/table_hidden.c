/* A table for which /proc hides processes, and one that the kernel refuses what it asks. */
#include "follower.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static void hide_processes(void)
{
	if (unshare(CLONE_NEWNS) != 0 ||
	    mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("proc", "/proc", "proc", 0, "hidepid=2") != 0)
		skip("cannot mount /proc with hidepid");
}

static void drop_privileges(void)
{
	CHECK_PERMITTED(setgroups(0, NULL)); /* group 0 may see all */
	CHECK_PERMITTED(setresgid(65534, 65534, 65534));
	CHECK_PERMITTED(setresuid(65534, 65534, 65534));
	CHECK_EQ(prctl(PR_SET_DUMPABLE, 1), 0); /* its own children may be seen */
}

static struct pc_change last_synced(const struct follower *f)
{
	for (size_t i = f->count; i-- > 0;)
		if (f->told[i].kind == PC_CHANGE_SYNCED)
			return f->told[i];
	fail(__FILE__, __LINE__, "no SYNCED");
}

static void follow_hidden(void *unused)
{
	(void)unused;
	hide_processes();
	struct puppet root = start_puppet();
	struct follower f = open_unheard(TABLE_OPTIONS(.fields = 0));
	drop_privileges();
	struct puppet own = start_puppet();
	await_change(&f, PC_CHANGE_SYNCED, 0);
	CHECK(last_synced(&f).hidden > 0);
	CHECK_EQ(state_of(&f, 1), PC_PROCESS_HIDDEN);
	CHECK_EQ(look_up(&f, 1).valid, 0);
	while (state_of(&f, own.pid) < 0)
		CHECK(hear(&f, PATIENCE_MS) != NULL);
	CHECK_EQ(state_of(&f, own.pid), 0);

	pid_t child = order(&root, 'F');
	struct pc_change started = await_change(&f, PC_CHANGE_STARTED, child);
	CHECK_EQ(started.process.valid, PC_FIELD_PARENT);
	CHECK_EQ(started.process.parent_pid, root.pid);
	await_change(&f, PC_CHANGE_EXITED, child);
	child = order(&root, 'f');
	started = await_change(&f, PC_CHANGE_STARTED, child);
	CHECK_EQ(started.process.valid, PC_FIELD_PARENT);
	CHECK_EQ(started.process.state, PC_PROCESS_HIDDEN);
	CHECK_EQ(started.process.comm[0], 0);
	CHECK_EQ(started.process.start_boottime_ns, 0);
	order(&root, 'n');
	CHECK_EQ(pc_table_rescan(f.table), 0);
	await_change(&f, PC_CHANGE_SYNCED, 0);
	CHECK(last_synced(&f).hidden >= 2);
	CHECK_EQ(table_stats(&f).hidden, last_synced(&f).hidden);
	CHECK_EQ(state_of(&f, child), PC_PROCESS_HIDDEN);
	CHECK_EQ(dismiss(&root, 'q'), 3 << 8);
	struct pc_change exited = await_change(&f, PC_CHANGE_EXITED, root.pid);
	CHECK_CODE(&exited, 3 << 8);
	dismiss(&own, 'q');
	await_change(&f, PC_CHANGE_EXITED, own.pid);
	close_follower(&f);
}

PROMISE(hidepid, "a table that was opened before privileges were dropped, where /proc hides processes, reports them from their events")
{
	in_child(follow_hidden, NULL);
}

/* The errors of the command that a table keeps of a process. */
static void check_errors(const struct follower *f, const struct pc_process *process, int line, int executable)
{
	struct pc_command command;
	CHECK_EQ(pc_table_command(f->table, process, &command), 0);
	CHECK_EQ(command.command_line_error, line);
	CHECK_EQ(command.executable_error, executable);
	CHECK_EQ(command.command_line == NULL, line != 0);
	CHECK_EQ(command.executable == NULL, executable != 0);
}

static void command_hidden(void *unused)
{
	(void)unused;
	hide_processes();
	struct puppet root = start_puppet();
	struct follower f = open_unheard(TABLE_OPTIONS(.text_bytes = 8192));
	drop_privileges();
	struct puppet own = start_puppet();
	await_change(&f, PC_CHANGE_SYNCED, 0);
	struct pc_process process = look_up(&f, 1);
	check_errors(&f, &process, -EACCES, -EACCES);
	while (state_of(&f, own.pid) < 0)
		CHECK(hear(&f, PATIENCE_MS) != NULL);
	process = look_up(&f, own.pid);
	check_errors(&f, &process, 0, 0);

	pid_t child = order(&root, 'f');
	struct pc_change change = await_change(&f, PC_CHANGE_STARTED, child);
	CHECK_EQ(change.process.state, PC_PROCESS_HIDDEN);
	check_errors(&f, &change.process, -EACCES, -EACCES);
	order(&root, 'x'); /* the first event about it */
	change = await_change(&f, PC_CHANGE_STARTED, root.pid);
	check_errors(&f, &change.process, -EACCES, -EACCES);
	order(&root, 'x');
	change = await_change(&f, PC_CHANGE_EXECED, root.pid);
	check_errors(&f, &change.process, -EACCES, -EACCES);
	dismiss(&root, 'q');
	change = await_change(&f, PC_CHANGE_EXITED, root.pid);
	check_errors(&f, &change.process, -EACCES, -EACCES);
	dismiss(&own, 'q');
	change = await_change(&f, PC_CHANGE_EXITED, own.pid);
	check_errors(&f, &change.process, 0, 0);
	close_follower(&f);
}

PROMISE(hidden_commands, "the command of a process that /proc hides is not readable (-EACCES), which is not the same as gone")
{
	in_child(command_hidden, NULL);
}

static void command_of_root(void *unused)
{
	(void)unused;
	struct puppet root = start_puppet();
	struct follower f = open_follower(TABLE_OPTIONS(.text_bytes = 8192));
	struct pc_process process = look_up(&f, root.pid);
	check_errors(&f, &process, 0, 0);
	drop_privileges();
	order(&root, 'x');
	struct pc_change change = await_change(&f, PC_CHANGE_EXECED, root.pid);
	check_errors(&f, &change.process, 0, -EACCES);
	dismiss(&root, 'q');
	change = await_change(&f, PC_CHANGE_EXITED, root.pid);
	check_errors(&f, &change.process, 0, -EACCES);
	close_follower(&f);
}

PROMISE(commands_of_others, "without a privilege, a table has the command line of another user's process, and -EACCES in place of its executable")
{
	in_child(command_of_root, NULL);
}

static void follow_without_signals(void *unused)
{
	(void)unused;
	skip_if_instrumented(); /* it needs a pidfd */
	struct follower f = open_follower(TABLE_OPTIONS(.fields = 0));
	deny(SYS_tgkill, EPERM);
	deny(SYS_kill, EPERM);
	for (int i = 0; i < 5; i++) {
		struct puppet puppet = start_puppet();
		order(&puppet, 'x');
		CHECK_EQ(dismiss(&puppet, 'q'), 3 << 8);
		struct pc_change change = await_change(&f, PC_CHANGE_EXITED, puppet.pid);
		CHECK_EQ(change.exit_code, 3 << 8);
		CHECK_HISTORY(&f, puppet.pid, "SXE");
	}
	close_follower(&f);
}

PROMISE(no_signals, "a table whose every signal 0 a sandbox refuses notices which processes exit")
{
	in_child(follow_without_signals, NULL);
}

PROMISE(rest, "after an error, pc_table_next does nothing until the descriptor is readable again, and a wait waits")
{
	skip_if_instrumented(); /* it has no limit of descriptors of its own */
	struct follower f = open_follower(TABLE_OPTIONS(.fields = PC_FIELD_PARENT));
	struct pollfd poll_set = { .fd = pc_table_fd(f.table), .events = POLLIN };
	struct rlimit limit;
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
	struct puppet puppet = start_puppet();
	int unused = dup(STDERR_FILENO);
	close(unused);
	struct rlimit none = { .rlim_cur = (rlim_t)unused, .rlim_max = limit.rlim_max };
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
	struct pc_change change;
	int result;
	for (int rests = 0, trial = 0; rests < 3; trial++) {
		CHECK(trial < TRIALS);
		/* A process that exited meanwhile needs no descriptor: that change comes before the error. */
		while ((result = pc_table_next(f.table, &change, PATIENCE_MS)) > 0)
			;
		CHECK_EQ(result, -EMFILE);
		uint64_t begun = now_ns();
		while (poll(&poll_set, 1, 0) == 0 && (result = pc_table_next(f.table, &change, 0)) == 0)
			;
		if (result == 0)
			result = pc_table_next(f.table, &change, -1);
		CHECK(result == -EMFILE || result == 1);
		/* On a busy machine most of a rest may pass before it is looked at, but not of each. */
		rests += now_ns() - begun >= 50000000u;
	}
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
	CHECK_EQ(poll(&poll_set, 1, PATIENCE_MS), 1);
	do
		CHECK_EQ(pc_table_next(f.table, &change, -1), 1);
	while (change.process.pid != puppet.pid);
	CHECK_EQ(change.kind, PC_CHANGE_STARTED);
	dismiss(&puppet, 'q');
	pc_table_close(f.table);
}

PROMISE(many_leaderless, "processes without leaders take no more descriptors than max_watches, and the exit of each is reported")
{
	enum { MANY = 100 };
	static struct puppet puppets[MANY];
	skip_if_instrumented();
	struct follower f = open_follower(TABLE_OPTIONS(.fields = 0, .max_watches = 8));
	for (int i = 0; i < MANY; i++) {
		puppets[i] = start_puppet();
		order(&puppets[i], 'l');
	}
	int before = open_descriptors();
	for (int i = 0; i < MANY; i++)
		while (state_of(&f, puppets[i].pid) != PC_PROCESS_LEADER_GONE)
			hear(&f, 1);
	CHECK(open_descriptors() <= before + 8);
	for (int i = 0; i < MANY; i++)
		dismiss(&puppets[i], 'q');
	for (int i = 0; i < MANY; i++) {
		await_end(&f, puppets[i].pid);
		CHECK_HISTORY(&f, puppets[i].pid, "SE");
	}
	close_follower(&f);
}
