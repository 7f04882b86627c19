/* A table on a socket that exists already, and on another /proc. */
#include "follower.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static struct follower adopt(int fd, struct pc_table_options options)
{
	struct follower f = { 0 };
	CHECK_EQ(pc_table_open_fd(&f.table, fd, &options), 0);
	return f;
}

PROMISE(restarted, "a table on the socket that another one released misses nothing: it reports what started and exited in between")
{
	struct follower f = open_follower(TABLE_OPTIONS(.fields = 0));
	struct puppet staying = start_puppet(), leaving = start_puppet();
	await_change(&f, PC_CHANGE_STARTED, leaving.pid);
	hear_all(&f);
	int fd = release_follower(&f);

	CHECK_EQ(dismiss(&leaving, 'q'), 3 << 8);
	struct puppet passing = start_puppet(), starting = start_puppet();
	CHECK_EQ(dismiss(&passing, 'q'), 3 << 8);
	f = adopt(fd, TABLE_OPTIONS(.flags = PC_TABLE_SUBSCRIBED));
	await_change(&f, PC_CHANGE_SYNCED, 0);
	CHECK_HISTORY(&f, staying.pid, "F");
	CHECK_HISTORY(&f, starting.pid, "S");
	CHECK_HISTORY(&f, passing.pid, "SE");
	CHECK_HISTORY(&f, leaving.pid, "FE");
	for (size_t i = 0; i < f.count; i++) {
		const struct pc_change *change = &f.told[i];
		if (change->kind == PC_CHANGE_EXITED && change->process.pid == leaving.pid)
			CHECK_CODE(change, 3 << 8);
		if (change->kind == PC_CHANGE_FOUND && change->process.pid == leaving.pid)
			CHECK_EQ(change->process.valid, 0);
	}
	dismiss(&staying, 'q');
	dismiss(&starting, 'q');
	await_end(&f, starting.pid);
	close_follower(&f);
}

PROMISE(exited_before_found, "a table on a released socket reports a process that exited after the table was opened and before it was found")
{
	struct follower f = open_follower(TABLE_OPTIONS(.fields = 0));
	struct puppet leaving = start_puppet();
	await_change(&f, PC_CHANGE_STARTED, leaving.pid);
	f = adopt(release_follower(&f), TABLE_OPTIONS(.flags = PC_TABLE_SUBSCRIBED));
	CHECK_EQ(dismiss(&leaving, 'q'), 3 << 8);
	await_change(&f, PC_CHANGE_SYNCED, 0);
	CHECK_HISTORY(&f, leaving.pid, "FE");
	close_follower(&f);
}

PROMISE(lost_while_released, "a table on a socket whose queue became full meanwhile keeps no process that exited")
{
	struct follower f = open_follower(TABLE_OPTIONS(.rcvbuf_bytes = 32 << 10));
	int fd = release_follower(&f);
	for (int i = 0; i < 100; i++) {
		struct puppet puppet = start_puppet();
		dismiss(&puppet, 'q');
	}
	f = adopt(fd, TABLE_OPTIONS(.flags = PC_TABLE_SUBSCRIBED));
	await_change(&f, PC_CHANGE_SYNCED, 0);
	await_change(&f, PC_CHANGE_UNSYNCED, 0);
	await_change(&f, PC_CHANGE_SYNCED, 0);
	check_table_is_proc(&f);
	close_follower(&f);
}

/* False if the table received the events of the two puppets in two batches. */
static bool is_kept_while_busy(void)
{
	struct follower f = open_follower(TABLE_OPTIONS(.fields = 0));
	struct puppet first = start_puppet(), second = start_puppet();
	await_change(&f, PC_CHANGE_STARTED, first.pid);
	int released = try_to_release(&f);
	if (released < 0) {
		CHECK_EQ(released, -EBUSY);
		await_change(&f, PC_CHANGE_STARTED, second.pid);
	}
	dismiss(&first, 'q');
	dismiss(&second, 'q');
	close(released < 0 ? release_follower(&f) : released);
	return released < 0;
}

PROMISE(busy, "pc_table_release returns -EBUSY while events that were received are to be handled, and the table stays open")
{
	int trial = 1;
	while (!is_kept_while_busy()) /* while the events of others divided them */
		CHECK(trial++ < TRIALS);
	CHECK_EQ(pc_table_release(NULL), -EINVAL);
}

PROMISE(untouched, "a table is released before its first pc_table_next, as after a failure of its owner, and nothing is missed")
{
	struct follower f = open_unheard(TABLE_OPTIONS(.fields = 0));
	struct puppet leaving = start_puppet();
	int fd = pc_table_release(f.table);
	CHECK(fd >= 0);
	dismiss(&leaving, 'q');
	struct puppet passing = start_puppet();
	f = adopt(fd, TABLE_OPTIONS(.flags = PC_TABLE_SUBSCRIBED));
	CHECK_EQ(pc_table_release(f.table), fd);
	dismiss(&passing, 'q');
	f = adopt(fd, TABLE_OPTIONS(.flags = PC_TABLE_SUBSCRIBED));
	CHECK(hear(&f, PATIENCE_MS) != NULL);
	CHECK_EQ(pc_table_release(f.table), -EBUSY);
	await_change(&f, PC_CHANGE_SYNCED, 0);
	CHECK_HISTORY(&f, leaving.pid, "SE");
	CHECK_HISTORY(&f, passing.pid, "SE");
	close_follower(&f);
}

PROMISE(refused, "pc_table_open_fd refuses what is no socket of process events with the errors of pc_open_fd, and leaves it to the caller")
{
	struct pc_table *table = NULL;
	struct pc_table_options options = TABLE_OPTIONS(.fields = 0);
	const char *const files[] = { "/dev/null", "/proc/self/exe", "/proc" };
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		int fd = open(files[i], O_RDONLY | O_CLOEXEC);
		CHECK_EQ(pc_table_open_fd(&table, fd, &options), -EPROTOTYPE);
		CHECK_EQ(close(fd), 0);
	}
	int inet = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	CHECK_EQ(pc_table_open_fd(&table, inet, &options), -EPROTOTYPE);
	CHECK_EQ(close(inet), 0);
	CHECK_EQ(pc_table_open_fd(&table, inet, &options), -EBADF);
	CHECK_EQ(pc_table_open_fd(&table, -1, &options), -EBADF);
	CHECK(table == NULL);
}

static char directory[] = "/tmp/processes-XXXXXX";

static void write_file(pid_t pid, const char *name, const char *text)
{
	char path[100];
	snprintf(path, sizeof(path), "%s/%d", directory, (int)pid);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/%d/%s", directory, (int)pid, name);
	FILE *file = fopen(path, "w");
	CHECK(file != NULL);
	fputs(text, file);
	fclose(file);
}

static void make_up(pid_t pid, pid_t parent, const char *comm)
{
	char text[300];
	snprintf(text, sizeof(text),
		 "%d (%s) S %d %d %d 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 %d 0 0 0 4096 8192 65536 0 0 0 0 0 "
		 "0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
		 (int)pid, comm, (int)parent, (int)pid, (int)pid, (int)pid);
	write_file(pid, "stat", text);
	snprintf(text, sizeof(text), "Name:\t%s\nUid:\t7\t8\t7\t7\nGid:\t9\t10\t9\t9\n", comm);
	write_file(pid, "status", text);
}

static void remove_made_up(pid_t pid)
{
	char path[100];
	for (const char *const *name = (const char *const[]){ "/stat", "/status", "", NULL }; *name;
	     name++) {
		snprintf(path, sizeof(path), "%s/%d%s", directory, (int)pid, *name);
		remove(path);
	}
}

static void send_event(int feed, uint32_t what, const void *data, size_t size)
{
	unsigned char datagram[EVENT_SIZE];
	make_datagram(datagram, what, 1, data, size);
	CHECK_EQ(send(feed, datagram, sizeof(datagram), 0), sizeof(datagram));
}

static void follow_made_up(void *unused)
{
	int feed[2];
	(void)unused;
	mkdir("/tmp", 01777); /* a machine that has only this program may lack it */
	CHECK(mkdtemp(directory) != NULL);
	CHECK_EQ(chmod(directory, 0755), 0);
	CHECK_EQ(chown(directory, 65534, 65534), 0);
	CHECK_EQ(setresgid(65534, 65534, 65534), 0);
	CHECK_EQ(setresuid(65534, 65534, 65534), 0);
	make_up(1, 0, "first");
	make_up(100, 1, "shell");
	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, feed), 0);
	int proc = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(proc >= 0);
	struct follower f = adopt(feed[0], TABLE_OPTIONS(.flags = PC_TABLE_PROC_FD, .proc_fd = proc));
	close(proc);
	await_change(&f, PC_CHANGE_SYNCED, 0);
	CHECK_EQ(pc_table_count(f.table), 2);
	struct pc_process shell = look_up(&f, 100);
	CHECK_EQ(strcmp(shell.comm, "shell"), 0);
	CHECK_EQ(shell.parent_id, look_up(&f, 1).id);
	CHECK_EQ(shell.euid, 8);
	CHECK_EQ(shell.egid, 10);

	make_up(200, 100, "child");
	uint32_t fork_ids[] = { 100, 100, 200, 200 };
	send_event(feed[1], PROC_EVENT_FORK, fork_ids, sizeof(fork_ids));
	struct pc_change started = await_change(&f, PC_CHANGE_STARTED, 200);
	CHECK_EQ(strcmp(started.process.comm, "child"), 0);
	CHECK_EQ(started.process.parent_id, shell.id);
	remove_made_up(200);
	uint32_t exit_ids[] = { 200, 200, 5 << 8, 17, 100, 100 };
	send_event(feed[1], PROC_EVENT_EXIT, exit_ids, sizeof(exit_ids));
	struct pc_change exited = await_change(&f, PC_CHANGE_EXITED, 200);
	CHECK_EQ(exited.exit_code, 5 << 8);
	CHECK_EQ(pc_table_count(f.table), 2);
	close_follower(&f);
	remove_made_up(1);
	remove_made_up(100);
	rmdir(directory);
}

PROMISE(made_up, "a test without privilege feeds a table with made-up events and made-up processes")
{
	in_child(follow_made_up, NULL);
}

static void follow_elsewhere(void *unused)
{
	(void)unused;
	struct puppet puppet = start_puppet();
	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) != 0)
		skip("cannot unmount /proc");
	int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct pc_table *table;
	struct pc_table_options options = TABLE_OPTIONS(.flags = PC_TABLE_PROC_FD, .proc_fd = proc);
	if (umount2("/proc", MNT_DETACH) != 0)
		skip("cannot unmount /proc");
	CHECK_EQ(pc_table_open(&table, NULL), -EACCES);
	struct follower f = open_follower(options);
	CHECK_EQ(state_of(&f, getpid()), 0);
	pid_t child = order(&puppet, 'f');
	await_change(&f, PC_CHANGE_STARTED, child);
	CHECK_EQ(look_up(&f, child).valid & PC_FIELD_COMM, PC_FIELD_COMM);
	dismiss(&puppet, 'q');
	await_change(&f, PC_CHANGE_EXITED, puppet.pid);
	close_follower(&f);
}

PROMISE(elsewhere, "a table reads the /proc that the caller gives it, at whatever path that is")
{
	in_child(follow_elsewhere, NULL);
}
