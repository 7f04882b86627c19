/*
 * How to test a program that follows a table: with made-up events and a made-up /proc, without root and
 * without the kernel. docs/testing.md explains this file.
 */
#include "feed.h"

#include <errno.h>
#include <fcntl.h>
#include <proc_connector.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static char proc[] = "/tmp/made-up-XXXXXX";

static void expect(int good, const char *sentence)
{
	printf("%s - %s\n", good ? "ok" : "not ok", sentence);
	if (!good)
		exit(1);
}

static void path_of(char path[64], int pid, const char *file)
{
	snprintf(path, 64, "%s/%d/%s", proc, pid, file);
}

static void write_file(int pid, const char *name, const char *text, size_t size)
{
	char path[64];
	path_of(path, pid, name);
	FILE *file = fopen(path, "w");
	if (!file || fwrite(text, 1, size, file) != size || fclose(file) != 0)
		expect(0, path);
}

/* The files of a process that started at time 0 and runs "/bin/name -v". */
static void make_up(int pid, int parent, const char *name)
{
	char text[200], path[64];
	path_of(path, pid, "");
	mkdir(path, 0755);
	snprintf(text, sizeof(text), "%d (%s) S %d %d %d 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 0 0\n", pid, name, parent,
		 pid, pid);
	write_file(pid, "stat", text, strlen(text));
	snprintf(text, sizeof(text), "Name:\t%s\nTgid:\t%d\nPid:\t%d\nUid:\t7\t7\t7\t7\nGid:\t9\t9\t9\t9\n", name, pid, pid);
	write_file(pid, "status", text, strlen(text));
	int size = snprintf(text, sizeof(text), "%s%c-v", name, '\0') + 1;
	write_file(pid, "cmdline", text, (size_t)size);
	snprintf(text, sizeof(text), "/bin/%s", name);
	path_of(path, pid, "exe");
	expect(symlink(text, path) == 0, "the test makes up a process");
}

static void remove_made_up(int pid)
{
	static const char *const files[] = { "stat", "status", "cmdline", "exe", "" };
	char path[64];
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		path_of(path, pid, files[i]);
		remove(path);
	}
}

static struct pc_change await(struct pc_table *table, uint32_t kind)
{
	struct pc_change change = { 0 };
	while (change.kind != kind)
		if (pc_table_next(table, &change, -1) != 1)
			expect(0, "the table reports the change that the test waits for");
	return change;
}

int main(void)
{
	struct pc_table_options options = PC_TABLE_OPTIONS_INIT;
	struct pc_table *table;
	struct pc_command command;
	static const char arguments[] = "job\0-v";
	int ends[2];
	if (!mkdtemp(proc) || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return 1;
	make_up(100, 0, "shell");
	options.flags = PC_TABLE_PROC_FD;
	options.proc_fd = open(proc, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	options.text_bytes = 1024;
	expect(pc_table_open_fd(&table, ends[0], &options) == 0, "a table opens on a socket pair and a directory");
	close(options.proc_fd);
	await(table, PC_CHANGE_SYNCED);
	expect(pc_table_count(table) == 1, "the table finds the process in the directory");

	make_up(101, 100, "job"); /* before its fork event */
	feed_fork(ends[1], 100, 101);
	struct pc_change change = await(table, PC_CHANGE_STARTED);
	expect(change.process.pid == 101 && strcmp(change.process.comm, "job") == 0, "a fork event starts a process");
	expect(pc_table_command(table, &change.process, &command) == 0 && command.command_line &&
		       command.command_line_length == sizeof(arguments) &&
		       memcmp(command.command_line, arguments, sizeof(arguments)) == 0 && !command.executable_error &&
		       strcmp(command.executable, "/bin/job") == 0,
	       "the table keeps the command of a made-up process");

	remove_made_up(101); /* before its exit event */
	feed_exit(ends[1], 101, 3 << 8);
	change = await(table, PC_CHANGE_EXITED);
	/* PC_CHANGE_LEADER_CODE may be set, too: see docs/testing.md. */
	expect(change.flags & PC_CHANGE_EXIT_CODE && change.exit_code == 3 << 8, "an exit event has the exit code");
	close(ends[1]);
	int result;
	while ((result = pc_table_next(table, &change, -1)) == 1)
		;
	expect(result == -EPIPE, "the stream ends when its feeder closes");
	pc_table_close(table);
	remove_made_up(100);
	rmdir(proc);
	return 0;
}
