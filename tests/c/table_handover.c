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

static void write_bytes(pid_t pid, const char *name, const char *text, size_t size)
{
	char path[100];
	snprintf(path, sizeof(path), "%s/%d", directory, (int)pid);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/%d/%s", directory, (int)pid, name);
	FILE *file = fopen(path, "w");
	CHECK(file != NULL);
	CHECK_EQ(fwrite(text, 1, size, file), size);
	fclose(file);
}

static void write_file(pid_t pid, const char *name, const char *text)
{
	write_bytes(pid, name, text, strlen(text));
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
	static const char *const names[] = { "/stat", "/status", "/cmdline", "/exe", "", NULL };
	for (const char *const *name = names; *name; name++) {
		snprintf(path, sizeof(path), "%s/%d%s", directory, (int)pid, *name);
		remove(path);
	}
}

static void send_event(int feed, uint32_t what, const void *data, size_t size)
{
	unsigned char datagram[EVENT_SIZE];
	make_datagram(datagram, what, 1, data, size);
	uint64_t timestamp = now_ns();
	memcpy(datagram + 44, &timestamp, sizeof(timestamp));
	CHECK_EQ(send(feed, datagram, sizeof(datagram), 0), sizeof(datagram));
}

/* Without privilege, makes up a feed of events and a /proc with the processes 1 and 100, its child. */
static int make_up_feed(int feed[2])
{
	mkdir("/tmp", 01777); /* a machine that has only this program may lack it */
	CHECK(mkdtemp(directory) != NULL);
	CHECK_EQ(chmod(directory, 0755), 0);
	if (geteuid() == 0) {
		CHECK_EQ(chown(directory, 65534, 65534), 0);
		CHECK_PERMITTED(setresgid(65534, 65534, 65534));
		CHECK_PERMITTED(setresuid(65534, 65534, 65534));
	}
	make_up(1, 0, "first");
	make_up(100, 1, "shell");
	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, feed), 0);
	int proc = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(proc >= 0);
	return proc;
}

static void send_fork(int feed, uint32_t parent, uint32_t child)
{
	uint32_t ids[] = { parent, parent, child, child };
	make_up((pid_t)child, (pid_t)parent, "child");
	send_event(feed, PROC_EVENT_FORK, ids, sizeof(ids));
}

static void send_exit(int feed, uint32_t pid, uint32_t parent)
{
	uint32_t ids[] = { pid, pid, 5 << 8, 17, parent, parent };
	remove_made_up((pid_t)pid);
	send_event(feed, PROC_EVENT_EXIT, ids, sizeof(ids));
}

static void follow_made_up(void *unused)
{
	int feed[2], proc = make_up_feed(feed);
	(void)unused;
	struct follower f = adopt(feed[0], TABLE_OPTIONS(.flags = PC_TABLE_PROC_FD, .proc_fd = proc));
	close(proc);
	await_change(&f, PC_CHANGE_SYNCED, 0);
	CHECK_EQ(pc_table_count(f.table), 2);
	struct pc_process shell = look_up(&f, 100);
	CHECK_EQ(strcmp(shell.comm, "shell"), 0);
	CHECK_EQ(shell.parent_id, look_up(&f, 1).id);
	CHECK_EQ(shell.euid, 8);
	CHECK_EQ(shell.egid, 10);

	send_fork(feed[1], 100, 200);
	struct pc_change started = await_change(&f, PC_CHANGE_STARTED, 200);
	CHECK_EQ(strcmp(started.process.comm, "child"), 0);
	CHECK_EQ(started.process.parent_id, shell.id);
	send_exit(feed[1], 200, 100);
	struct pc_change exited = await_change(&f, PC_CHANGE_EXITED, 200);
	CHECK_EQ(exited.exit_code, 5 << 8);
	CHECK_EQ(pc_table_count(f.table), 2);

	send_fork(feed[1], 100, 201);
	send_exit(feed[1], 201, 100);
	close(feed[1]);
	await_change(&f, PC_CHANGE_STARTED, 201);
	await_change(&f, PC_CHANGE_EXITED, 201);
	CHECK_EQ(try_to_hear(&f, 0), -EPIPE);
	CHECK_EQ(try_to_hear(&f, -1), -EPIPE);
	close_follower(&f);
	remove_made_up(1);
	remove_made_up(100);
	rmdir(directory);
}

PROMISE(made_up, "a test without privilege feeds a table with made-up events and made-up processes, up to the end of the stream")
{
	in_child(follow_made_up, NULL);
}

static void make_up_command(pid_t pid, const char *line, size_t length, const char *executable)
{
	char path[100];
	write_bytes(pid, "cmdline", line, length);
	snprintf(path, sizeof(path), "%s/%d/exe", directory, (int)pid);
	remove(path);
	CHECK_EQ(symlink(executable, path), 0);
}

static void check_made_up(const struct follower *f, const struct pc_process *process, const char *line,
			  size_t length, const char *executable)
{
	struct pc_command command;
	CHECK_EQ(pc_table_command(f->table, process, &command), 0);
	CHECK_EQ(command.command_line_error, 0);
	CHECK_EQ(command.command_line_length, length);
	CHECK_EQ(memcmp(command.command_line, line, length), 0);
	CHECK_EQ(command.command_line[length], 0);
	CHECK_EQ(command.executable_error, 0);
	CHECK_EQ(strcmp(command.executable, executable), 0);
	CHECK_EQ(command.flags, 0);
}

static void keep_made_up_commands(void *unused)
{
	static const char shell[] = "-sh", other[] = "\xff\0\0\n";
	int feed[2], proc = make_up_feed(feed);
	struct pc_command command;
	(void)unused;
	make_up_command(1, "", 0, "/init");
	make_up_command(100, shell, sizeof(shell), "/bin/sh (deleted)");
	struct follower f = adopt(feed[0], TABLE_OPTIONS(.flags = PC_TABLE_PROC_FD, .proc_fd = proc,
							 .text_bytes = 64));
	close(proc);
	await_change(&f, PC_CHANGE_SYNCED, 0);
	struct pc_process process = look_up(&f, 100);
	check_made_up(&f, &process, shell, sizeof(shell), "/bin/sh (deleted)");
	process = look_up(&f, 1);
	CHECK_EQ(pc_table_command(f.table, &process, &command), 0);
	CHECK_EQ(command.command_line_error, -ESRCH); /* an empty one is called unread */
	CHECK_EQ(command.executable_error, 0);

	uint32_t ids[] = { 100, 100 };
	make_up_command(100, other, sizeof(other), "/other");
	process = look_up(&f, 100);
	check_made_up(&f, &process, shell, sizeof(shell), "/bin/sh (deleted)");
	send_event(feed[1], PROC_EVENT_EXEC, ids, sizeof(ids));
	struct pc_change change = await_change(&f, PC_CHANGE_EXECED, 100);
	check_made_up(&f, &change.process, other, sizeof(other), "/other");
	send_exit(feed[1], 100, 1);
	change = await_change(&f, PC_CHANGE_EXITED, 100);
	check_made_up(&f, &change.process, other, sizeof(other), "/other");
	close_follower(&f);
	remove_made_up(1);
	rmdir(directory);
}

PROMISE(made_up_commands, "a table of made-up processes keeps their made-up commands, and reads them again at an EXEC only")
{
	in_child(keep_made_up_commands, NULL);
}

static void follow_made_up_family(void *unused)
{
	int feed[2], proc = make_up_feed(feed);
	(void)unused;
	struct pc_table *table = NULL;
	struct pc_table_options options =
		TABLE_OPTIONS(.flags = PC_TABLE_PROC_FD, .proc_fd = proc, .family = 300);
	CHECK_EQ(pc_table_open_fd(&table, feed[0], &options), -ESRCH);
	CHECK(table == NULL);
	options.family = 100;
	struct follower f = adopt(feed[0], options);
	close(proc);
	await_change(&f, PC_CHANGE_SYNCED, 0);
	CHECK_HISTORY(&f, 100, "F");
	CHECK_EQ(pc_table_count(f.table), 1);

	send_fork(feed[1], 100, 200);
	send_fork(feed[1], 1, 250);
	send_fork(feed[1], 200, 300);
	await_change(&f, PC_CHANGE_STARTED, 300);
	make_up(300, 1, "child");
	send_exit(feed[1], 200, 100);
	struct pc_change orphaned = await_change(&f, PC_CHANGE_REPARENTED, 300);
	CHECK_EQ(orphaned.process.parent_pid, 1);
	CHECK_EQ(orphaned.process.parent_id, 0);
	send_exit(feed[1], 100, 1);
	send_exit(feed[1], 250, 1);
	send_fork(feed[1], 300, 400);
	hear_all(&f);
	CHECK_EQ(pc_table_count(f.table), 2);
	send_exit(feed[1], 400, 300);
	send_exit(feed[1], 300, 1);
	await_change(&f, PC_CHANGE_EXITED, 300);
	CHECK_EQ(pc_table_count(f.table), 0);
	CHECK_HISTORY(&f, 1, "");
	CHECK_HISTORY(&f, 100, "FE");
	CHECK_HISTORY(&f, 200, "SE");
	CHECK_HISTORY(&f, 250, "");
	CHECK_HISTORY(&f, 300, "SPE");
	CHECK_HISTORY(&f, 400, "SE");
	close_follower(&f);
	remove_made_up(1);
	rmdir(directory);
}

PROMISE(made_up_family, "a table of a made-up family reports the root's descendants, orphans too, and counts who is left")
{
	in_child(follow_made_up_family, NULL);
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

PROMISE(nowhere, "a table of the kernel's events refuses a directory without this machine's processes")
{
	struct pc_table_options options = TABLE_OPTIONS(.flags = PC_TABLE_PROC_FD);
	struct pc_table *table;
	options.proc_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_EQ(pc_table_open(&table, &options), -EACCES);
	CHECK_TEXT(pc_table_invalid_option(&options), NULL);
	struct follower f = open_follower(TABLE_OPTIONS(.fields = 0));
	int fd = release_follower(&f);
	options.flags |= PC_TABLE_SUBSCRIBED;
	CHECK_EQ(pc_table_open_fd(&table, fd, &options), -EACCES);
	f = adopt(fd, TABLE_OPTIONS(.flags = PC_TABLE_SUBSCRIBED));
	await_change(&f, PC_CHANGE_FOUND, getpid());
	close_follower(&f);
	close(options.proc_fd);
}
