/* The command of each process, which a table keeps if it is asked to. */
#include "follower.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
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
	/* Under valgrind, these files show something else at their usual paths. */
	snprintf(path, sizeof(path), "/proc//%d/%s", pid, name);
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

/* A child that runs this program when it is told, and ends with it when it is told again. */
struct runner {
	pid_t pid;
	int go;
};

static char program[PATH_MAX];

__attribute__((constructor)) static void run_if_executed(void)
{
	char go;
	if (getenv("A_RUNNER"))
		_exit(read(STDIN_FILENO, &go, 1) == 1 ? 3 : 4);
}

/* Opens a child's standard input, and has the child wait there. Returns the other end. */
static struct runner start_running(void (*run)(const void *), const void *argument)
{
	int ends[2];
	CHECK(program[0] || readlink("/proc/self/exe", program, sizeof(program) - 1) > 0);
	CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		close(ends[1]);
		dup2(ends[0], STDIN_FILENO);
		setenv("A_RUNNER", "", 1);
		run(argument);
		_exit(127);
	}
	close(ends[0]);
	return (struct runner){ pid, ends[1] };
}

static void run_when_told(const void *unused)
{
	char go;
	(void)unused;
	if (read(STDIN_FILENO, &go, 1) == 1)
		execl(program, "a runner", "that reads go", "", (char *)NULL);
}

static struct runner start_runner(void)
{
	return start_running(run_when_told, NULL);
}

static const char RUNNER[] = "a runner\0that reads go\0";

/* Runs this program with these arguments. */
static void run_with(const void *arguments)
{
	execv(program, (char *const *)arguments);
}

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

PROMISE(command_unseen, "the command of a process that started and exited before the table could read it is given as unread, not as that of a process before it")
{
	struct follower f = open_follower(TABLE_OPTIONS(.text_bytes = ROOM));
	for (int i = 0; i < TRIALS; i++) {
		struct runner before = start_runner();
		await_change(&f, PC_CHANGE_STARTED, before.pid);
		go_on(&before);
		await_change(&f, PC_CHANGE_EXECED, before.pid);
		end_runner(&before);
		await_change(&f, PC_CHANGE_EXITED, before.pid);
		hear_all(&f); /* so that the place of that one is free */
		pid_t pid = fork();
		if (pid == 0)
			_exit(0);
		end_child(pid);
		struct pc_change change = await_change(&f, PC_CHANGE_STARTED, pid);
		struct pc_command command = command_of(&f, &change.process);
		check_none(&command, -ESRCH);
		change = await_change(&f, PC_CHANGE_EXITED, pid);
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
		struct runner cut = start_running(run_with, (const char *[]){ argument, NULL });
		struct pc_change change = await_change(&f, PC_CHANGE_EXECED, cut.pid);
		struct pc_command command = command_of(&f, &change.process);
		bool is_whole = length + 1 < SMALL / 4 * 3;
		check_line(&command, argument, is_whole ? length + 1 : SMALL / 4 * 3 - 1);
		CHECK_EQ(command.flags, is_whole ? 0 : PC_COMMAND_CUT);
		/* What the command line leaves is for the executable. */
		if (strlen(program) < SMALL / 4)
			CHECK_EQ(command.executable_error, 0);
		else
			CHECK(command.executable_error == 0 || command.executable_error == -ENAMETOOLONG);
		end_runner(&cut);
		await_change(&f, PC_CHANGE_EXITED, cut.pid);
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
	/* Its EXIT may come so late that it is not lost. */
	while (change.process.pid != dying.pid ||
	       (change.kind != PC_CHANGE_EXITED && change.kind != PC_CHANGE_VANISHED)) {
		const struct pc_change *next = hear(&f, PATIENCE_MS);
		CHECK(next != NULL);
		change = *next;
	}
	command = command_of(&f, &change.process);
	CHECK_EQ(command.flags & PC_COMMAND_DOUBTFUL, PC_COMMAND_DOUBTFUL);
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

/* The command of a program that was run with these arguments, at its EXEC and at its exit. */
static void check_run(struct follower *f, const char *const *arguments, const char *line, size_t length)
{
	struct runner runner = start_running(run_with, arguments);
	struct pc_change change = await_change(f, PC_CHANGE_EXECED, runner.pid);
	struct pc_command command = command_of(f, &change.process);
	check_line(&command, line, length);
	CHECK_EQ(command.flags, 0);
	end_runner(&runner);
	change = await_change(f, PC_CHANGE_EXITED, runner.pid);
	command = command_of(f, &change.process);
	check_line(&command, line, length);
	CHECK_EQ(command.flags, 0);
}

PROMISE(command_bytes, "a table keeps the bytes of a command line as they are: every value, empty arguments, and 100 kilobytes")
{
	enum { LONG = 100000, PART = 1000 };
	static char line[LONG], parts[LONG / PART][PART];
	static const char *arguments[LONG / PART + 1];
	char all[256];
	for (int i = 1; i < 256; i++)
		all[i - 1] = (char)i;
	all[255] = '\0';
	char *end = line;
	*end++ = '\0';
	end = stpcpy(end, all) + 1;
	*end++ = '\0';
	end = stpcpy(end, "\"$(x)'\n") + 1;
	*end++ = '\0';
	struct follower f = open_follower(TABLE_OPTIONS(.text_bytes = LONG / 3 * 4 + PATH_MAX));
	check_run(&f, (const char *[]){ "", all, "", "\"$(x)'\n", "", NULL }, line, (size_t)(end - line));
	check_run(&f, (const char *[]){ "", NULL }, "", 1);

	for (size_t i = 0; i < LONG / PART; i++) {
		memset(parts[i], 'a' + (int)i % 26, PART - 1);
		memcpy(line + i * PART, parts[i], PART);
		arguments[i] = parts[i];
	}
	check_run(&f, arguments, line, LONG);
	close_follower(&f);
}

static void rewrite_command_line(const void *unused)
{
	char go;
	(void)unused;
	memset(program_invocation_name, 'z', strlen(program_invocation_name));
	rename_self("rewritten");
	if (read(STDIN_FILENO, &go, 1) == 1)
		_exit(3);
}

PROMISE(command_rewritten, "of a process that has written over its arguments, a table finds what it wrote")
{
	skip_if_instrumented(); /* valgrind has arguments of its own */
	struct pc_process process;
	struct runner runner = start_running(rewrite_command_line, NULL);
	while (pc_process_read(runner.pid, &process) == 1 && strcmp(process.comm, "rewritten") != 0)
		usleep(1000);
	struct follower f = open_follower(TABLE_OPTIONS(.text_bytes = 4 * PATH_MAX));
	process = look_up(&f, runner.pid);
	struct pc_command command = command_of(&f, &process);
	check_shown(&command, runner.pid);
	CHECK_EQ(strspn(command.command_line, "z"), strlen(program_invocation_name));
	end_runner(&runner);
	close_follower(&f);
}

static char copy[] = "/tmp/a-program-XXXXXX";

static void run_copy(const void *unused)
{
	(void)unused;
	execl(copy, "a copy", (char *)NULL);
}

static void copy_program(void)
{
	char bytes[65536];
	ssize_t length;
	mkdir("/tmp", 01777); /* a machine that has only this program may lack it */
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), to = mkostemp(copy, O_CLOEXEC);
	CHECK(from >= 0 && to >= 0);
	while ((length = read(from, bytes, sizeof(bytes))) > 0)
		CHECK_EQ(write(to, bytes, (size_t)length), length);
	CHECK_EQ(fchmod(to, 0700), 0);
	close(from);
	close(to);
}

PROMISE(command_deleted, "the executable that a table keeps is the path as it was when the table read it; of a file that was deleted by then it ends with that word")
{
	skip_if_instrumented();
	char deleted[64];
	copy_program();
	struct follower f = open_follower(TABLE_OPTIONS(.text_bytes = ROOM));
	struct runner runner = start_running(run_copy, NULL);
	struct pc_change change = await_change(&f, PC_CHANGE_EXECED, runner.pid);
	struct pc_command command = command_of(&f, &change.process);
	CHECK_EQ(command.executable_error, 0);
	CHECK(strcmp(command.executable, copy) == 0);
	CHECK_EQ(unlink(copy), 0);
	hear_all(&f);
	struct pc_process process = look_up(&f, runner.pid);
	command = command_of(&f, &process);
	CHECK(strcmp(command.executable, copy) == 0);
	CHECK_EQ(pc_table_rescan(f.table), 0);
	await_change(&f, PC_CHANGE_SYNCED, 0);
	process = look_up(&f, runner.pid);
	command = command_of(&f, &process);
	snprintf(deleted, sizeof(deleted), "%s (deleted)", copy);
	CHECK_EQ(command.executable_length, strlen(deleted));
	CHECK(strcmp(command.executable, deleted) == 0);
	end_runner(&runner);
	change = await_change(&f, PC_CHANGE_EXITED, runner.pid);
	command = command_of(&f, &change.process);
	CHECK(strcmp(command.executable, deleted) == 0);
	close_follower(&f);
}

PROMISE(command_others, "the command of a process is not what its slot in the table had before: each of many has its own, one after the other and at a time")
{
	enum { MANY = 100, ROUNDS = 3 };
	static struct runner runners[MANY];
	static struct pc_process processes[MANY];
	char names[MANY][24];
	struct follower f = open_follower(TABLE_OPTIONS(.text_bytes = ROOM));
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < MANY; i++) {
			snprintf(names[i], sizeof(names[i]), "round %d, runner %*d", round, i % 5, i);
			runners[i] = start_running(run_with, (const char *[]){ names[i], NULL });
			processes[i] = await_change(&f, PC_CHANGE_EXECED, runners[i].pid).process;
		}
		for (int i = 0; i < MANY; i++) {
			struct pc_command command = command_of(&f, &processes[i]);
			check_line(&command, names[i], strlen(names[i]) + 1);
		}
		for (int i = MANY; i-- > 0;) {
			end_runner(&runners[i]);
			struct pc_change change = await_change(&f, PC_CHANGE_EXITED, runners[i].pid);
			struct pc_command command = command_of(&f, &change.process);
			check_line(&command, names[i], strlen(names[i]) + 1);
		}
	}
	close_follower(&f);
}

/* From now on, no more memory can be mapped than this. */
static struct rlimit limit_memory(rlim_t bytes)
{
	struct rlimit old, limit;
	CHECK_EQ(getrlimit(RLIMIT_AS, &old), 0);
	limit = (struct rlimit){ .rlim_cur = bytes, .rlim_max = old.rlim_max };
	CHECK_EQ(setrlimit(RLIMIT_AS, &limit), 0);
	return old;
}

PROMISE(command_memory, "without memory for the commands, pc_table_open returns -ENOMEM and leaves nothing open, and pc_table_next returns -ENOMEM and later goes on")
{
	enum { MANY = 100, LARGE = 65536, MOST = 8388608 };
	static pid_t children[MANY];
	struct pc_table *table = NULL;
	struct pc_table_options options = TABLE_OPTIONS(.text_bytes = MOST);
	skip_if_instrumented();
	struct follower f = open_unheard(TABLE_OPTIONS(.text_bytes = 1)); /* or this is skipped */
	close_follower(&f);
	int descriptors = open_descriptors();
	struct rlimit old = limit_memory((rlim_t)1 << 28);
	CHECK_EQ(pc_table_open(&table, &options), -ENOMEM);
	CHECK_EQ(setrlimit(RLIMIT_AS, &old), 0);
	CHECK(table == NULL);
	CHECK_EQ(open_descriptors(), descriptors);

	for (int i = 0; i < MANY; i++) {
		children[i] = fork();
		CHECK(children[i] >= 0);
		if (children[i] == 0)
			for (;;)
				pause();
	}
	f = open_unheard(TABLE_OPTIONS(.text_bytes = LARGE));
	make_room(&f, 200000); /* the test itself needs no more from now on */
	old = limit_memory(4096);
	int result;
	while ((result = try_to_hear(&f, 1000)) > 0)
		CHECK(f.count < MANY);
	CHECK_EQ(result, -ENOMEM);
	CHECK_EQ(setrlimit(RLIMIT_AS, &old), 0);
	await_change(&f, PC_CHANGE_SYNCED, 0);
	for (int i = 0; i < MANY; i++) {
		CHECK_HISTORY(&f, children[i], "F");
		struct pc_process process = look_up(&f, children[i]);
		struct pc_command command = command_of(&f, &process);
		check_shown(&command, children[i]);
		kill(children[i], SIGKILL);
		end_child(children[i]);
	}
	close_follower(&f);
}
