/* Tables without descriptors, without a whole /proc, and what is left of them. */
#include "follower.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

static void check_open_gives(int error)
{
	int before = open_descriptors();
	struct pc_table *table = NULL;
	CHECK_EQ(pc_table_open(&table, NULL), error);
	CHECK(table == NULL);
	CHECK_EQ(open_descriptors(), before);
}

static void open_and_close(void)
{
	struct follower f = open_follower(TABLE_OPTIONS(.fields = 0));
	close_follower(&f);
}

static void own_mounts(int namespaces)
{
	if (unshare(CLONE_NEWNS | namespaces) != 0 ||
	    mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) != 0)
		skip("cannot make such a namespace");
}

static void without_proc(void *unused)
{
	(void)unused;
	own_mounts(0);
	CHECK_EQ(umount2("/proc", MNT_DETACH), 0);
	struct pc_table *table = NULL;
	CHECK_EQ(pc_table_open(&table, NULL), -EACCES);
	CHECK(table == NULL);
}

PROMISE(no_proc, "without /proc, pc_table_open returns -EACCES")
{
	open_and_close();
	in_child(without_proc, NULL);
}

static void with_hidepid(void *unused)
{
	(void)unused;
	own_mounts(0);
	if (mount("proc", "/proc", "proc", 0, "hidepid=2") != 0)
		skip("cannot mount /proc with hidepid");
	open_and_close(); /* root sees all */
	CHECK_PERMITTED(setgroups(0, NULL));
	CHECK_PERMITTED(setresgid(65534, 65534, 65534));
	CHECK_PERMITTED(setresuid(65534, 65534, 65534));
	struct pc_table *table = NULL;
	CHECK_EQ(pc_table_open(&table, NULL), -EACCES);
}

PROMISE(hidepid, "pc_table_open returns -EACCES where hidepid hides processes from the caller, and succeeds for root")
{
	open_and_close();
	in_child(with_hidepid, NULL);
}

static void mount_proc(void *unused)
{
	(void)unused;
	if (mount("proc", "/proc", "proc", 0, NULL) != 0)
		skip("cannot mount /proc");
	for (;;)
		pause();
}

static void with_foreign_proc(void *unused)
{
	(void)unused;
	own_mounts(CLONE_NEWPID);
	/* Our own PID namespace is still the initial one: only the child's is not. */
	pid_t child = start_child(mount_proc, NULL);
	while (access("/proc/self", F_OK) == 0)
		usleep(1000);
	struct pc_table *table = NULL;
	CHECK_EQ(pc_table_open(&table, NULL), -EACCES);
	kill(child, SIGKILL);
	end_child(child);
}

PROMISE(foreign_proc, "with the /proc of another PID namespace, pc_table_open returns -EACCES")
{
	open_and_close();
	in_child(with_foreign_proc, NULL);
}

static void expect_foreign_clock(void *unused)
{
	(void)unused;
	check_open_gives(-EOPNOTSUPP);
}

static void with_foreign_clock(void *unused)
{
	(void)unused;
	if (unshare(CLONE_NEWTIME) != 0)
		skip("cannot make a time namespace");
	in_child(expect_foreign_clock, NULL);
}

PROMISE(foreign_clock, "in another time namespace, pc_table_open returns -EOPNOTSUPP")
{
	open_and_close();
	in_child(with_foreign_clock, NULL);
}

static void in_namespace(void *namespace)
{
	if (unshare(*(int *)namespace) != 0)
		skip("cannot make such a namespace");
	check_open_gives(*(int *)namespace == CLONE_NEWNET ? -ECONNREFUSED : -EOPNOTSUPP);
}

PROMISE(namespaces, "in other network and user namespaces, pc_table_open returns what pc_open returns")
{
	open_and_close();
	in_child(in_namespace, &(int){ CLONE_NEWNET });
	in_child(in_namespace, &(int){ CLONE_NEWUSER });
}

/* Leaves this many descriptors free; the limit that was. */
static rlim_t leave(int spare)
{
	struct rlimit limit;
	int lowest = dup(0);
	close(lowest);
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
	rlim_t old = limit.rlim_cur;
	limit.rlim_cur = (rlim_t)(lowest + spare);
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
	return old;
}

static void restore(rlim_t old)
{
	struct rlimit limit;
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = old;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

PROMISE(open_without, "out of descriptors at any step, pc_table_open returns -EMFILE and leaves nothing open")
{
	open_and_close();
	int spare = 0;
	for (int result = -EMFILE; result != 0; spare++) {
		struct pc_table *table = NULL;
		int before = open_descriptors();
		rlim_t old = leave(spare);
		result = pc_table_open(&table, NULL);
		restore(old);
		CHECK(result == 0 || result == -EMFILE);
		CHECK((result == 0) == (table != NULL));
		CHECK(result == 0 || open_descriptors() == before);
		pc_table_close(table);
		CHECK_EQ(open_descriptors(), before);
	}
	CHECK(spare > 4 && spare < 20);
}

/*
 * Hears until there is an error, which what has been done may have yet to cause. Changes that need no
 * descriptor, such as the exits of other processes, come before it.
 */
static int hear_error(struct follower *f)
{
	int result;
	do
		result = try_to_hear(f, PATIENCE_MS);
	while (result > 0);
	return result;
}

PROMISE(first_without, "out of descriptors while the table first reads /proc, pc_table_next returns -EMFILE, and later goes on")
{
	struct follower f = open_unheard(TABLE_OPTIONS(.max_work = 2));
	for (int i = 0; i < 3; i++) {
		struct pc_change change;
		rlim_t old = leave(0);
		CHECK_EQ(pc_table_next(f.table, &change, -1), -EMFILE);
		CHECK_EQ(pc_table_next(f.table, &change, -1), -EMFILE);
		CHECK_EQ(pc_table_next(f.table, &change, 0), 0);
		restore(old);
		CHECK_EQ(hear(&f, PATIENCE_MS)->kind, PC_CHANGE_FOUND);
		CHECK_EQ(pc_table_count(f.table), i + 1);
	}
	await_change(&f, PC_CHANGE_SYNCED, 0);
	check_table_is_proc(&f);
	close_follower(&f);
}

PROMISE(follow_without, "out of descriptors while following, pc_table_next returns -EMFILE; later nothing is missing or reported twice")
{
	struct follower f = open_follower(TABLE_OPTIONS(.fields = 0));
	struct puppet puppet = start_puppet(), other = start_puppet();
	await_change(&f, PC_CHANGE_STARTED, other.pid);
	hear_all(&f);
	order(&puppet, 'x');
	dismiss(&other, 'q');
	struct puppet fresh = start_puppet();
	rlim_t old = leave(0);
	for (int i = 0; i < 10; i++)
		CHECK_EQ(hear_error(&f), -EMFILE);
	restore(old);
	await_change(&f, PC_CHANGE_EXITED, other.pid);
	catch_up(&f);
	CHECK_HISTORY(&f, puppet.pid, "SX");
	dismiss(&puppet, 'q');
	dismiss(&fresh, 'q');
	await_end(&f, puppet.pid);
	await_end(&f, fresh.pid);
	CHECK_HISTORY(&f, puppet.pid, "SXE");
	CHECK_HISTORY(&f, fresh.pid, "SE");
	CHECK_HISTORY(&f, other.pid, "SE");
	close_follower(&f);
}

PROMISE(with_one, "one free descriptor is enough to follow, also for a table that identifies processes by their inodes")
{
	for (int i = 0; i < 2; i++) {
		struct follower f = open_follower(TABLE_OPTIONS(.flags = i ? PC_TABLE_PIDFD_INODES : 0));
		struct puppet puppet = start_puppet();
		rlim_t old = leave(1);
		await_change(&f, PC_CHANGE_STARTED, puppet.pid);
		order(&puppet, 'x');
		await_change(&f, PC_CHANGE_EXECED, puppet.pid);
		restore(old);
		dismiss(&puppet, 'q');
		await_end(&f, puppet.pid);
		close_follower(&f);
	}
}

PROMISE(readable_without, "after an error of pc_table_next the descriptor becomes readable, because there is work left")
{
	struct follower f = open_follower(TABLE_OPTIONS(.fields = PC_FIELD_PARENT));
	struct pollfd poll_set = { .fd = pc_table_fd(f.table), .events = POLLIN };
	for (int i = 0; i < 20; i++) {
		hear_all(&f);
		struct puppet puppet = start_puppet();
		rlim_t old = leave(0);
		CHECK_EQ(hear_error(&f), -EMFILE);
		CHECK_EQ(poll(&poll_set, 1, PATIENCE_MS), 1);
		restore(old);
		await_change(&f, PC_CHANGE_STARTED, puppet.pid);
		dismiss(&puppet, 'q');
	}
	close_follower(&f);
}

/* With one descriptor a process can be read, but not watched. */
static void end_leader_unwatched(struct follower *f, const struct puppet *puppet)
{
	order(puppet, 'l');
	rlim_t old = leave(1);
	while (state_of(f, puppet->pid) != PC_PROCESS_LEADER_GONE)
		hear(f, 1);
	restore(old);
}

PROMISE(watch_without, "out of descriptors to watch a process without a leader, the table reports its exit all the same")
{
	struct follower f = open_follower(TABLE_OPTIONS(.fields = 0));
	for (int round = 0; round < 2; round++) {
		struct puppet puppet = start_puppet();
		await_change(&f, PC_CHANGE_STARTED, puppet.pid);
		hear_all(&f);
		end_leader_unwatched(&f, &puppet);
		if (round == 0) { /* otherwise it ends unwatched */
			hear_all(&f);
			CHECK_EQ(state_of(&f, puppet.pid), PC_PROCESS_LEADER_GONE);
		}
		int status = dismiss(&puppet, 'q');
		struct pc_change change = await_change(&f, PC_CHANGE_EXITED, puppet.pid);
		CHECK_CODE(&change, status);
		CHECK_HISTORY(&f, puppet.pid, "SE");
	}
	close_follower(&f);
}

static int tell_parent[2], tell_us[2];

static void keep_puppet(void *unused)
{
	char byte;
	struct puppet puppet = start_puppet();
	if (fork() == 0) /* it would end at the end of its orders */
		for (;;)
			pause();
	write(tell_us[1], &puppet.pid, sizeof(puppet.pid));
	read(tell_parent[0], &byte, 1);
	order(&puppet, 'l');
	write(tell_us[1], &puppet.pid, sizeof(puppet.pid));
	(void)unused;
	for (;;)
		pause();
}

PROMISE(orphan_without, "a process without a leader that could not be watched is REPARENTED all the same")
{
	skip_if_instrumented();
	struct follower f = open_follower(TABLE_OPTIONS(.fields = 0));
	CHECK_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	CHECK_EQ(pipe(tell_parent), 0);
	CHECK_EQ(pipe(tell_us), 0);
	pid_t parent = start_child(keep_puppet, NULL), child;
	CHECK_EQ(read(tell_us[0], &child, sizeof(child)), sizeof(child));
	await_change(&f, PC_CHANGE_STARTED, child);
	hear_all(&f);
	rlim_t old = leave(1);
	write(tell_parent[1], "x", 1);
	CHECK_EQ(read(tell_us[0], &child, sizeof(child)), sizeof(child));
	while (state_of(&f, child) != PC_PROCESS_LEADER_GONE)
		hear(&f, 1);
	kill(parent, SIGKILL);
	end_child(parent);
	await_end(&f, parent);
	restore(old);
	hear_all(&f);
	CHECK_HISTORY(&f, child, "SP");
	CHECK_EQ(look_up(&f, child).parent_pid, getpid());
	CHECK_EQ(look_up(&f, child).parent_id, look_up(&f, getpid()).id);
	close_follower(&f);
}

PROMISE(memory, "out of memory while following, pc_table_next returns -ENOMEM; later nothing is missing or reported twice")
{
	enum { MANY = 1200 }; /* more than one page of them */
	static pid_t children[MANY];
	struct rlimit limit, old;
	skip_if_instrumented();
	struct follower f = open_follower(TABLE_OPTIONS(.fields = 0));
	make_room(&f, 200000); /* the test itself needs no more from now on */
	int made = 0; /* fewer where there are few process ids: then there is memory enough */
	for (; made < MANY && (children[made] = fork()) >= 0; made++)
		if (children[made] == 0)
			for (;;)
				pause();
	CHECK_EQ(getrlimit(RLIMIT_AS, &old), 0);
	limit = old;
	limit.rlim_cur = 4096;
	CHECK_EQ(setrlimit(RLIMIT_AS, &limit), 0);
	for (int i = 0; i < 10 && made == MANY; i++)
		CHECK_EQ(hear_error(&f), -ENOMEM);
	CHECK_EQ(setrlimit(RLIMIT_AS, &old), 0);
	for (int i = 0; i < made; i++)
		kill(children[i], SIGKILL);
	for (int i = 0; i < made; i++)
		end_child(children[i]);
	check_table_is_proc(&f);
	for (int i = 0; i < made; i++)
		CHECK_HISTORY(&f, children[i], "SE");
	close_follower(&f);
}

/* What the process has mapped, in kilobytes. */
static long mapped(void)
{
	long size = 0;
	FILE *file = fopen("/proc/self/statm", "r");
	CHECK(file && fscanf(file, "%ld", &size) == 1);
	fclose(file);
	return size * 4;
}

PROMISE(no_leaks, "pc_table_close leaves no descriptor, subscription or memory behind, in whatever state the table is")
{
	struct puppet puppet = start_puppet();
	order(&puppet, 'l'); /* it holds a pidfd for this one */
	open_and_close();
	int descriptors = open_descriptors();
	long before = 0;
	/* The first time, libc keeps what was freed. */
	for (int round = 0; round < 2; round++) {
		before = mapped();
		for (int i = 0; i < 40; i++) {
			struct follower f = open_unheard(TABLE_OPTIONS(.max_work = 3));
			for (int calls = 0; calls < i * i; calls++)
				hear(&f, 0);
			close_follower(&f);
		}
	}
	CHECK_EQ(open_descriptors(), descriptors);
	CHECK(mapped() <= before + 64);
	dismiss(&puppet, 'q');
}
