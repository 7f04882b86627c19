/* The command of each process, which a table keeps if it is asked to. */
#include "follower.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROOM = 512 };

static struct pc_command command_of(const struct follower *f, const struct pc_process *process)
{
	struct pc_command command;
	CHECK_EQ(pc_table_command(f->table, process, &command), 0);
	for (size_t i = 0; i < sizeof(command.reserved) / sizeof(command.reserved[0]); i++)
		CHECK_EQ(command.reserved[i], 0);
	CHECK_EQ(command.command_line == NULL, command.command_line_error != 0);
	CHECK_EQ(command.executable == NULL, command.executable_error != 0);
	if (command.command_line)
		CHECK_EQ(command.command_line[command.command_line_length], 0);
	if (command.executable)
		CHECK_EQ(strlen(command.executable), command.executable_length);
	return command;
}

static void check_line(const struct pc_command *command, const char *line, size_t length)
{
	CHECK_EQ(command->command_line_error, 0);
	CHECK_EQ(command->command_line_length, length);
	CHECK_EQ(memcmp(command->command_line, line, length), 0);
}

static void check_none(const struct pc_command *command, int error)
{
	CHECK_EQ(command->command_line_error, error);
	CHECK_EQ(command->executable_error, error);
	CHECK_EQ(command->command_line_length, 0);
	CHECK_EQ(command->executable_length, 0);
}

/* What /proc shows. */
static size_t shown(pid_t pid, const char *name, char *text, size_t size)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	ssize_t length = -1;
	if (strcmp(name, "exe") == 0) {
		length = readlink(path, text, size);
	} else {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		CHECK(fd >= 0);
		length = read(fd, text, size);
		close(fd);
	}
	CHECK(length >= 0 && (size_t)length < size);
	return (size_t)length;
}

static void check_shown(const struct pc_command *command, pid_t pid)
{
	char text[PATH_MAX];
	size_t length = shown(pid, "cmdline", text, sizeof(text));
	check_line(command, text, length);
	length = shown(pid, "exe", text, sizeof(text));
	CHECK_EQ(command->executable_error, 0);
	CHECK_EQ(command->executable_length, length);
	CHECK_EQ(memcmp(command->executable, text, length), 0);
}

/* A child that runs a shell when it is told, and ends with it when it is told again. */
struct runner {
	pid_t pid;
	int go;
};

static struct runner start_runner(void)
{
	int ends[2];
	CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		char go;
		close(ends[1]);
		dup2(ends[0], STDIN_FILENO);
		if (read(STDIN_FILENO, &go, 1) == 1)
			execl("/bin/sh", "sh", "-c", "read go; exit 3", "a runner", "", (char *)NULL);
		_exit(127);
	}
	close(ends[0]);
	return (struct runner){ pid, ends[1] };
}

static const char RUNNER[] = "sh\0-c\0read go; exit 3\0a runner\0";

static void go_on(const struct runner *runner)
{
	CHECK_EQ(write(runner->go, "\n", 1), 1);
}

static void end_runner(const struct runner *runner)
{
	go_on(runner);
	close(runner->go);
	CHECK(WIFEXITED(end_child(runner->pid)));
}

PROMISE(commands, "a table with text_bytes keeps the command line and the executable of each process until its EXITED, which has them, too")
{
	struct follower f = open_follower(TABLE_OPTIONS(.text_bytes = ROOM));
	struct runner runner = start_runner();
	struct pc_change change = await_change(&f, PC_CHANGE_STARTED, runner.pid);
	struct pc_command command = command_of(&f, &change.process);
	check_shown(&command, getpid());
	go_on(&runner);
	change = await_change(&f, PC_CHANGE_EXECED, runner.pid);
	command = command_of(&f, &change.process);
	check_line(&command, RUNNER, sizeof(RUNNER));
	check_shown(&command, runner.pid);
	CHECK_EQ(command.flags, 0);
	char executable[ROOM];
	snprintf(executable, sizeof(executable), "%s", command.executable);

	end_runner(&runner);
	change = await_change(&f, PC_CHANGE_EXITED, runner.pid);
	command = command_of(&f, &change.process);
	check_line(&command, RUNNER, sizeof(RUNNER));
	CHECK(strcmp(command.executable, executable) == 0);
	CHECK_EQ(command.flags, 0);

	struct puppet next = start_puppet();
	await_change(&f, PC_CHANGE_STARTED, next.pid);
	CHECK_EQ(pc_table_command(f.table, &change.process, &command), -ESRCH);
	dismiss(&next, 'q');
	close_follower(&f);
}

PROMISE(command_found, "the processes that a table finds have their commands")
{
	struct runner runner = start_runner();
	go_on(&runner);
	char text[ROOM];
	while (shown(runner.pid, "cmdline", text, sizeof(text)) != sizeof(RUNNER))
		;
	struct follower f = open_follower(TABLE_OPTIONS(.text_bytes = ROOM));
	for (const pid_t *pid = (pid_t[]){ getpid(), runner.pid, 0 }; *pid; pid++) {
		struct pc_process process = look_up(&f, *pid);
		struct pc_command command = command_of(&f, &process);
		check_shown(&command, *pid);
		CHECK_EQ(command.flags, 0);
	}
	end_runner(&runner);
	close_follower(&f);
}

PROMISE(command_late, "the command of a process that ran a program and exited before the table could read it is given as unread, not as that of the parent")
{
	struct follower f = open_follower(TABLE_OPTIONS(.text_bytes = ROOM));
	struct runner known = start_runner();
	struct pc_change change = await_change(&f, PC_CHANGE_STARTED, known.pid);
	struct pc_command command = command_of(&f, &change.process);
	check_shown(&command, getpid());
	for (int i = 0; i < 2; i++) {
		/* The second one is not even known to have started. */
		struct runner runner = i ? start_runner() : known;
		go_on(&runner);
		end_runner(&runner);
		change = await_change(&f, PC_CHANGE_EXECED, runner.pid);
		command = command_of(&f, &change.process);
		check_none(&command, -ESRCH);
		change = await_change(&f, PC_CHANGE_EXITED, runner.pid);
		command = command_of(&f, &change.process);
		check_none(&command, -ESRCH);
	}
	close_follower(&f);
}

PROMISE(command_cut, "of a command line that is too long the table keeps the beginning, and says so; of a path it keeps nothing")
{
	enum { SMALL = 64 };
	struct follower f = open_follower(TABLE_OPTIONS(.text_bytes = SMALL));
	struct runner runner = start_runner();
	for (uint32_t length = 2;; length += 7) {
		char argument[256] = { 0 };
		memset(argument, 'a', length);
		int ends[2];
		CHECK_EQ(pipe(ends), 0);
		pid_t pid = fork();
		if (pid == 0) {
			dup2(ends[0], STDIN_FILENO);
			close(ends[1]);
			execl("/bin/cat", argument, (char *)NULL);
			_exit(127);
		}
		close(ends[0]);
		struct pc_change change = await_change(&f, PC_CHANGE_EXECED, pid);
		struct pc_command command = command_of(&f, &change.process);
		bool is_whole = length + 1 < SMALL / 4 * 3;
		check_line(&command, argument, is_whole ? length + 1 : SMALL / 4 * 3 - 1);
		CHECK_EQ(command.flags, is_whole ? 0 : PC_COMMAND_CUT);
		CHECK_EQ(command.executable_error, 0);
		close(ends[1]);
		end_child(pid);
		await_change(&f, PC_CHANGE_EXITED, pid);
		if (length > 2 * SMALL)
			break;
	}
	close_follower(&f);

	f = open_follower(TABLE_OPTIONS(.text_bytes = 1));
	go_on(&runner);
	struct pc_change change = await_change(&f, PC_CHANGE_EXECED, runner.pid);
	struct pc_command command = command_of(&f, &change.process);
	CHECK(command.command_line_length < 8); /* what the alignment leaves */
	CHECK_EQ(command.flags, PC_COMMAND_CUT);
	CHECK_EQ(command.executable_error, -ENAMETOOLONG);
	end_runner(&runner);
	close_follower(&f);
}

PROMISE(command_kernel_thread, "a kernel thread has no command, and the table says that there is none")
{
	struct pc_process process;
	if (pc_process_read(2, &process) != 1 || !(process.state & PC_PROCESS_KERNEL_THREAD))
		skip("kernel threads are not shown");
	struct follower f = open_follower(TABLE_OPTIONS(.text_bytes = ROOM));
	process = look_up(&f, 2);
	struct pc_command command = command_of(&f, &process);
	check_none(&command, -ENODATA);
	close_follower(&f);
}

PROMISE(command_of_loss, "a command that was read before a loss of events is doubtful until the table agrees with /proc again")
{
	enum { SMALL_QUEUE = 65536, MORE = 500 }; /* bytes, of which an event takes some 800 */
	struct follower f = open_follower(TABLE_OPTIONS(.rcvbuf_bytes = SMALL_QUEUE, .text_bytes = ROOM));
	struct runner living = start_runner(), dying = start_runner();
	await_change(&f, PC_CHANGE_STARTED, dying.pid);
	hear_all(&f);
	for (int i = 0; i < MORE; i++)
		rename_self(i % 2 ? "full" : "up");
	go_on(&living);
	go_on(&dying);
	end_runner(&dying);
	struct pc_change change = await_change(&f, PC_CHANGE_UNSYNCED, 0);
	struct pc_process process = look_up(&f, living.pid);
	struct pc_command command = command_of(&f, &process);
	CHECK_EQ(command.flags, PC_COMMAND_DOUBTFUL);
	change = await_change(&f, PC_CHANGE_VANISHED, dying.pid);
	command = command_of(&f, &change.process);
	CHECK_EQ(command.flags, PC_COMMAND_DOUBTFUL);
	char text[ROOM];
	while (shown(living.pid, "cmdline", text, sizeof(text)) != sizeof(RUNNER))
		;
	CHECK_EQ(pc_table_rescan(f.table), 0);
	hear_all(&f);
	process = look_up(&f, living.pid);
	command = command_of(&f, &process);
	check_line(&command, RUNNER, sizeof(RUNNER));
	CHECK_EQ(command.flags, 0);
	end_runner(&living);
	close_follower(&f);
}

PROMISE(command_calls, "pc_table_command refuses bad arguments, processes that the table does not have, and a table that keeps no commands")
{
	struct follower f = open_follower(TABLE_OPTIONS(.text_bytes = ROOM));
	struct pc_process own = look_up(&f, getpid()), other = own;
	struct pc_command command;
	CHECK_EQ(pc_table_command(NULL, &own, &command), -EINVAL);
	CHECK_EQ(pc_table_command(f.table, NULL, &command), -EINVAL);
	CHECK_EQ(pc_table_command(f.table, &own, NULL), -EINVAL);
	other.id++;
	CHECK_EQ(pc_table_command(f.table, &other, &command), -ESRCH);
	CHECK_EQ(pc_process_read(getpid(), &other), 1);
	CHECK_EQ(pc_table_command(f.table, &other, &command), -ESRCH);
	memset(&other, 0, sizeof(other));
	CHECK_EQ(pc_table_command(f.table, &other, &command), -ESRCH);
	close_follower(&f);
	f = open_follower(TABLE_OPTIONS(.fields = 0));
	own = look_up(&f, getpid());
	CHECK_EQ(pc_table_command(f.table, &own, &command), -ENODATA);
	CHECK_EQ(pc_table_command(f.table, &other, &command), -ESRCH);
	close_follower(&f);
}
