/* A table that reports one process and its descendants. */
#include "follower.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* A table of a puppet's family, which is the puppet alone. */
static struct follower follow_family(const struct puppet *root)
{
	struct follower f = open_follower(TABLE_OPTIONS(.family = root->pid));
	CHECK_HISTORY(&f, root->pid, "F");
	CHECK_EQ(pc_table_count(f.table), 1);
	CHECK_EQ(state_of(&f, root->pid), 0);
	return f;
}

/* Hears until no process of the family is left. */
static void await_nobody(struct follower *f)
{
	while (pc_table_count(f->table) > 0)
		CHECK(hear(f, PATIENCE_MS) != NULL);
}

static void kill_and_await(struct follower *f, pid_t pid)
{
	CHECK_EQ(kill(pid, SIGKILL), 0);
	await_end(f, pid);
}

/* Nothing was reported that may not belong to the family, or does not: these are all. */
static void check_family(const struct follower *f, const pid_t *pids, size_t count)
{
	for (size_t i = 0; i < f->count; i++) {
		const struct pc_process *process = &f->told[i].process;
		bool known = process->pid == 0;
		for (size_t j = 0; j < count; j++)
			known |= process->pid == pids[j];
		if (!known)
			fail(__FILE__, __LINE__, "process %d is reported: %s", process->pid, process->comm);
		CHECK_EQ(process->state & PC_PROCESS_PERHAPS, 0);
	}
}

PROMISE(by_birth, "a table of a family reports all that its root starts, however, and nothing else, and counts who is left when the root is gone")
{
	struct puppet root = start_puppet(), outside = start_puppet();
	struct follower f = follow_family(&root);
	pid_t plain = order(&root, 'f'), daemon = order(&root, 'd'), of_thread = order(&root, 'T');
	await_change(&f, PC_CHANGE_STARTED, plain);
	await_change(&f, PC_CHANGE_STARTED, daemon);
	pid_t passer_by = order(&outside, 'f');
	struct puppet later = start_puppet();
	order(&root, 's');
	order(&root, 'x');
	pid_t brief = order(&root, 'F'), execed = order(&root, 'v');
	order(&root, 'X');
	pid_t last = order(&root, 'f');
	await_change(&f, PC_CHANGE_STARTED, last);
	CHECK_HISTORY(&f, root.pid, "FIXX");
	CHECK_HISTORY(&f, brief, "SE");
	await_end(&f, execed);
	CHECK_EQ(look_up(&f, daemon).session != root.pid, true);
	CHECK_EQ(look_up(&f, plain).parent_id, look_up(&f, root.pid).id);
	CHECK_EQ(look_up(&f, root.pid).parent_id, 0);

	CHECK_EQ(dismiss(&root, 'q'), 3 << 8);
	await_end(&f, root.pid);
	while (pc_table_count(f.table) > 4)
		CHECK(hear(&f, PATIENCE_MS) != NULL);
	CHECK_EQ(pc_table_count(f.table), 4);
	kill_and_await(&f, plain);
	kill_and_await(&f, of_thread);
	kill_and_await(&f, last);
	CHECK_EQ(pc_table_count(f.table), 1);
	kill_and_await(&f, daemon);
	CHECK_EQ(pc_table_count(f.table), 0);
	for (const pid_t *pid = (pid_t[]){ passer_by, outside.pid, later.pid, getpid(), 0 }; *pid; pid++)
		CHECK_HISTORY(&f, *pid, "");
	for (size_t i = 0; i < f.count; i++)
		CHECK_EQ(f.told[i].process.state & PC_PROCESS_PERHAPS, 0);
	dismiss(&outside, 'q');
	dismiss(&later, 'q');
	kill(passer_by, SIGKILL);
	close_follower(&f);
}

PROMISE(views, "pc_table_get, pc_table_each and pc_table_set_user of a table of a family know the family alone, and its changes are numbered without a gap")
{
	struct puppet root = start_puppet(), outside = start_puppet();
	struct follower f = follow_family(&root);
	pid_t child = order(&root, 'f');
	await_change(&f, PC_CHANGE_STARTED, child);
	struct pc_process process;
	uint64_t cursor = 0;
	size_t count = 0;
	while (pc_table_each(f.table, &cursor, &process) == 1) {
		CHECK(process.pid == root.pid || process.pid == child);
		count++;
	}
	CHECK_EQ(count, 2);
	for (const pid_t *pid = (pid_t[]){ 1, getpid(), outside.pid, 0 }; *pid; pid++) {
		CHECK_EQ(pc_table_get(f.table, *pid, &process), 0);
		CHECK_EQ(pc_table_set_user(f.table, *pid, 1), -ESRCH);
	}
	CHECK_EQ(pc_table_set_user(f.table, child, 1), 0);
	dismiss(&outside, 'q');
	kill(child, SIGKILL);
	await_end(&f, child);
	dismiss(&root, 'q');
	await_nobody(&f);
	check_family(&f, (pid_t[]){ root.pid, child }, 2);
	CHECK_EQ(f.told[f.count - 1].sequence, f.count);
	close_follower(&f);
}

PROMISE(subreaper_outside, "an orphan of the family whose new parent is a subreaper outside stays in the family")
{
	CHECK_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	struct puppet root = start_puppet();
	struct follower f = follow_family(&root);
	pid_t child = order(&root, 'f'), daemon = order(&root, 'd');
	await_change(&f, PC_CHANGE_STARTED, daemon);
	dismiss(&root, 'q');
	struct pc_change change = await_change(&f, PC_CHANGE_REPARENTED, child);
	CHECK_EQ(change.process.parent_pid, getpid());
	CHECK_EQ(change.process.parent_id, 0);
	while (pc_table_count(f.table) > 2)
		CHECK(hear(&f, PATIENCE_MS) != NULL);
	kill(child, SIGKILL);
	end_child(child);
	kill(daemon, SIGKILL);
	end_child(daemon);
	await_nobody(&f);
	close_follower(&f);
}

PROMISE(subreaper_inside, "an orphan of the family whose new parent is a subreaper of the family stays in it")
{
	struct puppet root = start_puppet();
	order(&root, 'k');
	struct follower f = follow_family(&root);
	pid_t daemon = order(&root, 'd');
	await_change(&f, PC_CHANGE_STARTED, daemon);
	while (look_up(&f, daemon).parent_pid != root.pid)
		CHECK(hear(&f, PATIENCE_MS) != NULL);
	CHECK_EQ(look_up(&f, daemon).parent_id, look_up(&f, root.pid).id);
	while (pc_table_count(f.table) > 2) /* the daemon's parent */
		CHECK(hear(&f, PATIENCE_MS) != NULL);
	dismiss(&root, 'q');
	await_end(&f, root.pid);
	CHECK_EQ(pc_table_count(f.table), 1);
	kill_and_await(&f, daemon);
	CHECK_EQ(pc_table_count(f.table), 0);
	close_follower(&f);
}

PROMISE(found, "a table of a family finds the descendants that the root has when the table is opened")
{
	struct puppet root = start_puppet(), outside = start_puppet();
	pid_t child = order(&root, 'f'), stranger = order(&outside, 'f');
	struct follower f = open_follower(TABLE_OPTIONS(.family = root.pid));
	CHECK_EQ(pc_table_count(f.table), 2);
	CHECK_HISTORY(&f, child, "F");
	CHECK_HISTORY(&f, stranger, "");
	dismiss(&root, 'q');
	await_end(&f, root.pid);
	kill_and_await(&f, child);
	CHECK_EQ(pc_table_count(f.table), 0);
	dismiss(&outside, 'q');
	kill(stranger, SIGKILL);
	close_follower(&f);
}

PROMISE(early_exit, "a root that exits after pc_table_open and before the first pc_table_next is reported, with its exit code")
{
	struct puppet root = start_puppet();
	struct follower f = open_unheard(TABLE_OPTIONS(.family = root.pid));
	CHECK_EQ(dismiss(&root, 'q'), 3 << 8);
	await_change(&f, PC_CHANGE_SYNCED, 0);
	await_end(&f, root.pid);
	CHECK_HISTORY(&f, root.pid, "FE");
	CHECK_CODE(&f.told[f.count - 1], 3 << 8);
	CHECK_EQ(pc_table_count(f.table), 0);
	close_follower(&f);
}

static void *stay(void *tid)
{
	*(volatile pid_t *)tid = (pid_t)syscall(SYS_gettid);
	for (;;)
		pause();
	return NULL;
}

PROMISE(no_root, "a table of the family of no process, of a zombie or of a thread is not opened: -ESRCH; of pid 1 or of a negative pid: -EINVAL")
{
	struct pc_table *table = NULL;
	struct pc_table_options options = TABLE_OPTIONS(.fields = 0);
	struct puppet root = start_puppet();
	dismiss(&root, 'q');
	options.family = root.pid;
	CHECK_EQ(pc_table_open(&table, &options), -ESRCH);
	pid_t zombie = fork();
	if (zombie == 0)
		_exit(0);
	siginfo_t info;
	CHECK_EQ(waitid(P_PID, (id_t)zombie, &info, WEXITED | WNOWAIT), 0);
	options.family = zombie;
	CHECK_EQ(pc_table_open(&table, &options), -ESRCH);
	pthread_t thread;
	volatile pid_t tid = 0;
	CHECK_EQ(pthread_create(&thread, NULL, stay, (void *)&tid), 0);
	while (tid == 0)
		usleep(100);
	options.family = tid;
	CHECK_EQ(pc_table_open(&table, &options), -ESRCH);
	options.family = 1;
	CHECK_EQ(pc_table_open(&table, &options), -EINVAL);
	options.family = -getpid();
	CHECK_EQ(pc_table_open(&table, &options), -EINVAL);
	options.family = INT_MIN;
	CHECK_EQ(pc_table_open(&table, &options), -EINVAL);
	options.family = INT_MAX;
	CHECK_EQ(pc_table_open(&table, &options), -ESRCH);
	CHECK(table == NULL);
}

enum { SMALL_QUEUE = 65536, MORE = 500 }; /* bytes, of which an event takes some 800 */

PROMISE(lost, "after a loss, a child of a member is a member, an orphan may be one, and who has a parent outside is none")
{
	CHECK_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	struct puppet root = start_puppet();
	struct follower f =
		open_follower(TABLE_OPTIONS(.family = root.pid, .rcvbuf_bytes = SMALL_QUEUE));
	struct puppet outside = start_puppet();
	pid_t known = order(&root, 'd');
	await_change(&f, PC_CHANGE_STARTED, known);
	long state = state_of(&f, known); /* other programs may have caused a loss before */
	for (int i = 0; i < MORE; i++)
		rename_self(i % 2 ? "full" : "up");
	pid_t child = order(&root, 'f'), orphan = order(&root, 'd');
	pid_t stranger = order(&outside, 'f');
	struct pc_change synced;
	do
		synced = await_change(&f, PC_CHANGE_SYNCED, 0);
	while (synced.lost == 0);
	CHECK_HISTORY(&f, child, "S");
	CHECK_HISTORY(&f, orphan, "S");
	CHECK_HISTORY(&f, stranger, "");
	CHECK_EQ(state_of(&f, known), state);
	CHECK_EQ(state_of(&f, child), 0);
	CHECK_EQ(state_of(&f, orphan), PC_PROCESS_PERHAPS);
	CHECK_EQ(pc_table_count(f.table), 4);
	dismiss(&root, 'q');
	await_end(&f, root.pid);
	pid_t left[] = { known, child, orphan };
	for (size_t i = 0; i < 3; i++) {
		CHECK_EQ(pc_table_count(f.table), 3 - i);
		kill(left[i], SIGKILL);
		end_child(left[i]);
		await_end(&f, left[i]);
	}
	CHECK_EQ(pc_table_count(f.table), 0);
	dismiss(&outside, 'q');
	kill(stranger, SIGKILL);
	close_follower(&f);
}

PROMISE(restarted, "a table of a family on the socket that another one released knows who was born in the family meanwhile")
{
	struct puppet root = start_puppet(), outside = start_puppet();
	struct follower f = follow_family(&root);
	pid_t staying = order(&root, 'f');
	await_change(&f, PC_CHANGE_STARTED, staying);
	int fd;
	while ((fd = try_to_release(&f)) == -EBUSY)
		hear(&f, 0);
	CHECK(fd >= 0);
	pid_t brief = order(&root, 'F'), starting = order(&root, 'f');
	pid_t stranger = order(&outside, 'f');
	struct pc_table_options options =
		TABLE_OPTIONS(.family = root.pid, .flags = PC_TABLE_SUBSCRIBED);
	f = (struct follower){ 0 };
	CHECK_EQ(pc_table_open_fd(&f.table, fd, &options), 0);
	await_change(&f, PC_CHANGE_SYNCED, 0);
	CHECK_HISTORY(&f, staying, "F");
	CHECK_HISTORY(&f, starting, "S");
	CHECK_HISTORY(&f, brief, "SE");
	CHECK_EQ(state_of(&f, staying), 0);
	CHECK_EQ(state_of(&f, starting), 0);
	CHECK_EQ(state_of(&f, stranger), -1);
	dismiss(&root, 'q');
	dismiss(&outside, 'q');
	kill_and_await(&f, staying);
	kill_and_await(&f, starting);
	kill(stranger, SIGKILL);
	close_follower(&f);
}

PROMISE(refused_root, "if there is no root, pc_table_open_fd leaves the socket to the caller")
{
	struct puppet root = start_puppet();
	struct follower f = open_follower(TABLE_OPTIONS(.fields = 0));
	int fd = release_follower(&f);
	dismiss(&root, 'q');
	struct pc_table *table = NULL;
	struct pc_table_options options =
		TABLE_OPTIONS(.family = root.pid, .flags = PC_TABLE_SUBSCRIBED);
	CHECK_EQ(pc_table_open_fd(&table, fd, &options), -ESRCH);
	CHECK(table == NULL);
	options.family = 0;
	CHECK_EQ(pc_table_open_fd(&table, fd, &options), 0);
	pc_table_close(table);
}
