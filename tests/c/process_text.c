/* pc_process_texts: what a process runs, where, and in which container. */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KINDS = 5, TICK = 10000000 };

/* ---- What /proc shows, read by hand ---- */

struct shown {
	char *text;
	size_t length;
	bool exists;
};

static struct shown show_file(pid_t pid, const char *name)
{
	struct shown shown = { .text = malloc(1) };
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	for (;;) {
		shown.text = realloc(shown.text, shown.length + 65536 + 1);
		CHECK(shown.text);
		ssize_t got = read(fd, shown.text + shown.length, 65536);
		CHECK(got >= 0);
		if (got == 0)
			break;
		shown.length += (size_t)got;
	}
	shown.text[shown.length] = '\0';
	shown.exists = shown.length > 0;
	close(fd);
	return shown;
}

static struct shown show_link(pid_t pid, const char *name)
{
	struct shown shown = { .text = malloc(PATH_MAX + 1) };
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	CHECK(shown.text);
	ssize_t got = readlink(path, shown.text, PATH_MAX);
	if (got < 0 && errno == EACCES)
		skip("not permitted to see this text");
	shown.exists = got >= 0;
	shown.length = got >= 0 ? (size_t)got : 0;
	shown.text[shown.length] = '\0';
	return shown;
}

/* The rest of the line that begins with this, from the last of these bytes on. */
static bool find_line(struct shown *shown, const char *start, int last_of)
{
	char *line = shown->text;
	while (line && *line && strncmp(line, start, strlen(start)) != 0) {
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	if (!line || !*line)
		return false;
	line[strcspn(line, "\n")] = '\0';
	char *text = last_of ? strrchr(line, last_of) + 1 : line + strlen(start);
	shown->length = strlen(text);
	memmove(shown->text, text, shown->length + 1);
	return true;
}

static struct shown show(pid_t pid, uint32_t what)
{
	struct shown shown;
	switch (what) {
	case PC_TEXT_COMMAND_LINE:
		return show_file(pid, "cmdline");
	case PC_TEXT_EXECUTABLE:
		return show_link(pid, "exe");
	case PC_TEXT_DIRECTORY:
		return show_link(pid, "cwd");
	case PC_TEXT_NSPID:
		shown = show_file(pid, "status");
		shown.exists = find_line(&shown, "NSpid:", '\t');
		return shown;
	default:
		CHECK_EQ(what, PC_TEXT_CGROUP);
		shown = show_file(pid, "cgroup");
		if (strncmp(shown.text, "0::", 3) != 0 && !strstr(shown.text, "\n0::"))
			skip("this promise is written for cgroup v2");
		shown.exists = find_line(&shown, "0::", 0);
		return shown;
	}
}

/* ---- Reading ---- */

static uint64_t start_of(pid_t pid)
{
	struct pc_process process;
	int result = pc_process_read(pid, &process);
	if (result != 1 && result != 2)
		fail(__FILE__, __LINE__, "pc_process_read returns %d", result);
	return process.start_boottime_ns;
}

/* One text, which must not be refused; its error. */
static int read_text(pid_t pid, uint32_t what, char *buffer, size_t size, size_t *length)
{
	struct pc_text text = { .what = what, .error = 77, .buffer = buffer, .size = size, .length = 77 };
	CHECK_EQ(pc_process_texts(pid, start_of(pid), &text, 1), 0);
	CHECK_EQ(text.what, what);
	CHECK(text.buffer == buffer);
	CHECK_EQ(text.size, size);
	if (text.error != 0) {
		CHECK_EQ(text.length, 0);
		CHECK(size == 0 || *buffer == '\0');
	}
	if (length)
		*length = text.length;
	return text.error;
}

static char large[4 << 20];

/* Whether /proc shows each process's pid in its own namespace. Kernels without CONFIG_PID_NS do not. */
static bool shows_nspid(void)
{
	struct stat status;
	return lstat("/proc/self/ns/pid", &status) == 0;
}

/* The text is the one that /proc shows. */
static void check_shown(pid_t pid, uint32_t what)
{
	if (what == PC_TEXT_NSPID && !shows_nspid()) {
		CHECK_EQ(read_text(pid, what, large, sizeof(large), NULL), -ENODATA);
		return;
	}
	struct shown shown = show(pid, what);
	size_t length;
	CHECK(shown.exists);
	CHECK_EQ(read_text(pid, what, large, sizeof(large), &length), 0);
	CHECK_EQ(length, shown.length);
	CHECK(memcmp(large, shown.text, length + 1) == 0);
	free(shown.text);
}

static void check_command_line(pid_t pid, const char *expected, size_t expected_length)
{
	size_t length;
	CHECK_EQ(read_text(pid, PC_TEXT_COMMAND_LINE, large, sizeof(large), &length), 0);
	CHECK_EQ(length, expected_length);
	CHECK(memcmp(large, expected, length) == 0);
	CHECK_EQ(large[length], '\0');
	check_shown(pid, PC_TEXT_COMMAND_LINE);
}

/* Asks for everything. Each text is empty, and has this error. */
static void check_refused(pid_t pid, uint64_t start, int error)
{
	char buffers[KINDS][16];
	struct pc_text texts[KINDS];
	for (uint32_t i = 0; i < KINDS; i++) {
		memset(buffers[i], '#', sizeof(buffers[i]));
		texts[i] = (struct pc_text){ PC_TEXT_COMMAND_LINE + i, 77, buffers[i],
					     sizeof(buffers[i]), 77 };
	}
	CHECK_EQ(pc_process_texts(pid, start, texts, KINDS), error);
	for (int i = 0; i < KINDS; i++) {
		CHECK_EQ(texts[i].error, error);
		CHECK_EQ(texts[i].length, 0);
		CHECK_EQ(buffers[i][0], '\0');
	}
}

/* ---- Processes to read ---- */

/* A child that runs this program again, which says that it does, and stops; see stop_if_executed(). */
static pid_t execute(const char *path, char **arguments)
{
	int ready[2];
	CHECK_EQ(pipe(ready), 0);
	pid_t child = fork();
	if (child == 0) {
		static char variable[32], *environment[] = { variable, NULL };
		snprintf(variable, sizeof(variable), "STOP_IF_EXECUTED=%d", ready[1]);
		execve(path, arguments, environment);
		_exit(127);
	}
	char byte;
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		fail(__FILE__, __LINE__, "%s cannot be executed", path);
	close(ready[0]);
	return child;
}

__attribute__((constructor)) static void stop_if_executed(void)
{
	const char *fd = getenv("STOP_IF_EXECUTED");
	if (!fd)
		return;
	if (write(atoi(fd), "x", 1) != 1)
		_exit(127);
	for (;;)
		pause();
}

static const char *own_path(void)
{
	static char path[PATH_MAX + 1];
	ssize_t length = readlink("/proc/self/exe", path, PATH_MAX);
	CHECK(length > 0);
	path[length] = '\0';
	return path;
}

static void stop(pid_t child)
{
	kill(child, SIGKILL);
	end_child(child);
}

/* A directory of its own, in which this process works from now on. */
static void enter_directory(char *path)
{
	strcpy(path, "/tmp/pc-text-XXXXXX");
	mkdir("/tmp", 0777); /* which a machine made for tests may lack */
	CHECK(mkdtemp(path));
	CHECK_EQ(chdir(path), 0);
}

/* ---- The texts ---- */

PROMISE(each_kind, "pc_process_texts gives the texts that /proc shows, all in one call")
{
	char directory[32], *arguments[] = { "a name", "", "--x", NULL };
	const char *path = own_path();
	enter_directory(directory);
	pid_t child = execute(path, arguments);
	char buffers[KINDS][PATH_MAX];
	struct pc_text texts[KINDS];
	for (uint32_t i = 0; i < KINDS; i++)
		texts[i] = (struct pc_text){ PC_TEXT_COMMAND_LINE + i, 77, buffers[i], PATH_MAX, 77 };
	CHECK_EQ(pc_process_texts(child, start_of(child), texts, KINDS), 0);
	for (int i = 0; i < KINDS; i++) {
		if (texts[i].what == PC_TEXT_CGROUP)
			continue;
		if (texts[i].what == PC_TEXT_NSPID && !shows_nspid()) {
			CHECK_EQ(texts[i].error, -ENODATA);
			continue;
		}
		struct shown shown = show(child, texts[i].what);
		CHECK_EQ(texts[i].error, 0);
		CHECK_EQ(texts[i].length, shown.length);
		CHECK(memcmp(buffers[i], shown.text, shown.length + 1) == 0);
		free(shown.text);
	}
	CHECK_EQ(texts[0].length, sizeof("a name\0\0--x"));
	CHECK(memcmp(buffers[0], "a name\0\0--x", texts[0].length) == 0);
	CHECK(strcmp(buffers[1], path) == 0);
	CHECK(strcmp(buffers[2], directory) == 0);
	CHECK(!shows_nspid() || atoi(buffers[4]) == child);
	stop(child);
	CHECK_EQ(rmdir(directory), 0);
}

PROMISE(cgroup, "pc_process_texts gives the cgroup, also of a deep path with colons and spaces, or -ENODATA where cgroups are not in use")
{
	struct shown own = show_file(getpid(), "cgroup");
	if (own.exists)
		check_shown(getpid(), PC_TEXT_CGROUP);
	else /* No hierarchy was ever mounted. */
		CHECK_EQ(read_text(getpid(), PC_TEXT_CGROUP, large, sizeof(large), NULL), -ENODATA);
	free(own.text);
	char path[PATH_MAX] = "", name[250], mount_point[] = "/tmp/pc-cgroup-XXXXXX";
	mkdir("/tmp", 0777);
	if (!mkdtemp(mount_point) || unshare(CLONE_NEWNS) != 0 ||
	    mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("none", mount_point, "cgroup2", 0, NULL) != 0)
		skip("cannot mount cgroup2");
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	memcpy(name, "0::a :b\t", 8);
	CHECK_EQ(chdir(mount_point), 0);
	int depth = 0;
	while (depth < 14 && mkdir(name, 0755) == 0 && chdir(name) == 0)
		depth++;
	if (depth == 0)
		skip("cannot make a cgroup");
	pid_t child = start_child(wait_for_ever, NULL);
	FILE *processes = fopen("cgroup.procs", "w");
	CHECK(processes && fprintf(processes, "%d\n", (int)child) > 0 && fclose(processes) == 0);
	check_shown(child, PC_TEXT_CGROUP);
	snprintf(path, sizeof(path), "/%s", name);
	CHECK(strstr(large, path));
	CHECK(strlen(large) >= (size_t)depth * sizeof(name));
	stop(child);
	while (depth-- > 0) {
		CHECK_EQ(chdir(".."), 0);
		while (rmdir(name) != 0)
			CHECK_EQ(errno, EBUSY); /* until the child is gone from it */
	}
	CHECK_EQ(chdir("/"), 0);
	umount2(mount_point, MNT_DETACH);
	rmdir(mount_point);
}

PROMISE(large, "pc_process_texts gives a command line of more than 2 MiB, and its length to any smaller buffer")
{
	enum { COUNT = 24, SIZE = 100000 };
	static char block[SIZE], *arguments[COUNT + 1];
	memset(block, 'x', SIZE - 1);
	for (int i = 0; i < COUNT; i++)
		arguments[i] = block;
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };
	if (getenv("INSTRUMENTED"))
		skip("valgrind does not raise the limit of the stack");
	if (setrlimit(RLIMIT_STACK, &limit) != 0)
		skip("cannot raise the limit of the stack");
	pid_t child = execute(own_path(), arguments);
	check_shown(child, PC_TEXT_COMMAND_LINE);
	size_t sizes[] = { 0, 1, 4095, 4096, 4097, COUNT * SIZE - 1, COUNT * SIZE, COUNT * SIZE + 1 };
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		size_t size = sizes[i], length;
		memset(large, '#', sizeof(large));
		CHECK_EQ(read_text(child, PC_TEXT_COMMAND_LINE, large, size, &length), 0);
		CHECK_EQ(length, COUNT * SIZE);
		size_t fitting = size == 0 ? 0 : size - 1 < length ? size - 1 : length;
		for (size_t at = 0; at < fitting; at++)
			if (large[at] != (at % SIZE == SIZE - 1 ? '\0' : 'x'))
				fail(__FILE__, __LINE__, "byte %zu is wrong", at);
		CHECK(size == 0 || large[fitting] == '\0');
		CHECK_EQ(large[size], '#');
	}
	stop(child);
}

/* Whether this process gets a command line while this thread only yields the CPU. */
static bool shows_up(pid_t pid)
{
	for (int looks = 0; looks < 20; looks++) {
		struct shown shown = show_file(pid, "cmdline");
		free(shown.text);
		if (shown.exists)
			return true;
		sched_yield();
	}
	return false;
}

PROMISE(spawned, "a program is read right after posix_spawn() returned, or the one that spawned it")
{
	char variable[32], *arguments[] = { "spawned", NULL }, *environment[] = { variable, NULL };
	int early = 0, early_by_hand = 0, null = open("/dev/null", O_WRONLY);
	snprintf(variable, sizeof(variable), "STOP_IF_EXECUTED=%d", null);
	for (int i = 0; i < 100; i++) {
		pid_t child;
		CHECK_EQ(posix_spawn(&child, own_path(), NULL, NULL, arguments, environment), 0);
		if (i % 2 != 0) {
			early_by_hand += !shows_up(child);
		} else {
			struct pc_text text = { .what = PC_TEXT_COMMAND_LINE };
			CHECK_EQ(pc_process_texts(child, 0, &text, 1), 0);
			CHECK(text.error == 0 || text.error == -EAGAIN);
			CHECK(text.error != 0 || text.length > 0);
			early += text.error != 0;
		}
		stop(child);
	}
	/* Without a second look, it is early nearly every time. */
	if (early > 10 && early_by_hand > 5)
		skip("on this kernel, sched_yield() does not let the new program run");
	if (early > 10)
		fail(__FILE__, __LINE__, "%d of 50 were not read", early);
}

PROMISE(any_bytes, "pc_process_texts gives arguments of any bytes as they are")
{
	char all[256], line[] = "line\nbreak\n", *arguments[] = { line, all, "", "\xff\xfe", NULL };
	for (int i = 0; i < 255; i++)
		all[i] = (char)(i + 1);
	all[255] = '\0';
	char expected[600];
	size_t length = 0;
	for (int i = 0; i < 4; i++) {
		memcpy(expected + length, arguments[i], strlen(arguments[i]) + 1);
		length += strlen(arguments[i]) + 1;
	}
	pid_t child = execute(own_path(), arguments);
	check_command_line(child, expected, length);
	stop(child);
}

PROMISE(no_arguments, "pc_process_texts gives the command line of a process that was started without arguments")
{
	char *arguments[] = { NULL };
	if (getenv("INSTRUMENTED"))
		skip("valgrind objects to a program without arguments");
	pid_t child = execute(own_path(), arguments);
	/* Linux 5.18 and later pass one empty argument. */
	struct shown shown = show(child, PC_TEXT_COMMAND_LINE);
	CHECK(shown.length <= 1);
	check_command_line(child, "", shown.length);
	free(shown.text);
	stop(child);
}

/* A field of /proc/self/stat, by its number in proc_pid_stat(5). */
static uint64_t own_field(int number)
{
	struct shown shown = show_file(getpid(), "stat");
	char *field = strrchr(shown.text, ')') + 2;
	for (int i = 3; i < number; i++)
		field = strchr(field, ' ') + 1;
	uint64_t value = strtoull(field, NULL, 10);
	free(shown.text);
	return value;
}

/* Where the command line is in this process's memory: arg_start and arg_end. */
static void find_arguments(char **start, char **end)
{
	if (getenv("INSTRUMENTED"))
		skip("for valgrind, a program owns no memory above its stack");
	*start = (char *)(uintptr_t)own_field(48);
	*end = (char *)(uintptr_t)own_field(49);
	CHECK(*start && *start < *end);
}

static int ready[2];

static void wait_ready(const char *answer)
{
	write(ready[1], answer, 1);
	wait_for_ever(NULL);
}

static pid_t start_ready(void (*f)(void *))
{
	char answer;
	CHECK_EQ(pipe(ready), 0);
	pid_t child = start_child(f, NULL);
	CHECK_EQ(read(ready[0], &answer, 1), 1);
	if (answer != 'y')
		skip("PR_SET_MM_MAP needs CONFIG_CHECKPOINT_RESTORE");
	return child;
}

static void shorten_title(void *unused)
{
	char *start, *end;
	(void)unused;
	find_arguments(&start, &end);
	memset(start, 0, (size_t)(end - start));
	memcpy(start, "t: x", 4);
	wait_ready("y");
}

static void lengthen_title(void *unused)
{
	char *start, *end;
	(void)unused;
	find_arguments(&start, &end);
	/* Over the last NUL byte, into the environment. */
	memset(start, 't', (size_t)(end - start) + 3);
	end[3] = '\0';
	wait_ready("y");
}

static void remove_title(void *unused)
{
	struct prctl_mm_map map = {
		.start_code = own_field(26),
		.end_code = own_field(27),
		.start_stack = own_field(28),
		.start_data = own_field(45),
		.end_data = own_field(46),
		.start_brk = own_field(47),
		.brk = (uintptr_t)sbrk(0),
		.arg_start = own_field(48),
		.arg_end = own_field(48), /* instead of 49 */
		.env_start = own_field(50),
		.env_end = own_field(51),
		.exe_fd = (uint32_t)-1,
	};
	/* A 64-bit kernel has one layout for all programs. */
	struct {
		uint64_t addresses[11], auxv;
		uint32_t auxv_size, exe_fd;
	} wide = { .exe_fd = map.exe_fd };
	memcpy(wide.addresses, &map, sizeof(wide.addresses));
	(void)unused;
	wait_ready(prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof(map), 0) == 0 ||
		   prctl(PR_SET_MM, PR_SET_MM_MAP, &wide, sizeof(wide), 0) == 0 ? "y" : "n");
}

PROMISE(rewritten, "pc_process_texts gives a command line that the process rewrote, as /proc shows it")
{
	char *start, *end;
	find_arguments(&start, &end);
	size_t size = (size_t)(end - start);
	static char expected[PATH_MAX];
	CHECK(size + 4 < sizeof(expected));

	pid_t child = start_ready(shorten_title);
	memcpy(expected, "t: x", 4);
	check_command_line(child, expected, size);
	stop(child);

	child = start_ready(lengthen_title);
	memset(expected, 't', size + 3);
	check_command_line(child, expected, size + 4);
	stop(child);
}

PROMISE(emptied, "an empty command line is no error")
{
	pid_t child = start_ready(remove_title);
	struct shown shown = show(child, PC_TEXT_COMMAND_LINE);
	CHECK_EQ(shown.length, 0);
	free(shown.text);
	size_t length;
	memset(large, '#', 2);
	CHECK_EQ(read_text(child, PC_TEXT_COMMAND_LINE, large, 2, &length), 0);
	CHECK_EQ(length, 0);
	CHECK_EQ(large[0], '\0');
	stop(child);
}

PROMISE(deleted, "pc_process_texts gives the paths of a deleted executable and a deleted directory as the kernel shows them")
{
	char directory[32], copy[64], command[PATH_MAX + 128], *arguments[] = { "x", NULL };
	snprintf(command, sizeof(command), "%s", own_path());
	enter_directory(directory);
	snprintf(copy, sizeof(copy), "%s/copy (deleted)", directory);
	/* The dynamic linker finds the library by the program's own path. */
	if (link(command, copy) != 0) {
		int from = open(command, O_RDONLY), to = open(copy, O_WRONLY | O_CREAT, 0755);
		CHECK(from >= 0 && to >= 0);
		for (ssize_t got; (got = read(from, large, sizeof(large))) > 0;)
			CHECK_EQ(write(to, large, (size_t)got), got);
		close(to);
	}
	pid_t child = execute(copy, arguments);
	check_shown(child, PC_TEXT_EXECUTABLE);
	CHECK(strcmp(large, copy) == 0);
	CHECK_EQ(unlink(copy), 0);
	CHECK_EQ(rmdir(directory), 0);
	check_shown(child, PC_TEXT_EXECUTABLE);
	strcat(copy, " (deleted)");
	CHECK(strcmp(large, copy) == 0);
	check_shown(child, PC_TEXT_DIRECTORY);
	strcat(directory, " (deleted)");
	CHECK(strcmp(large, directory) == 0);
	stop(child);
}

PROMISE(long_path, "pc_process_texts gives -ENAMETOOLONG for a directory whose path is longer than PATH_MAX, and the path of one that is not")
{
	char directory[32], name[201];
	enter_directory(directory);
	memset(name, 'd', 200);
	name[200] = '\0';
	int depth;
	for (depth = 0; depth < 20; depth++) {
		CHECK_EQ(mkdir(name, 0755), 0);
		CHECK_EQ(chdir(name), 0);
	}
	check_shown(getpid(), PC_TEXT_DIRECTORY);
	CHECK(strlen(large) > 4000);
	for (; depth < 22; depth++) {
		CHECK_EQ(mkdir(name, 0755), 0);
		CHECK_EQ(chdir(name), 0);
	}
	CHECK_EQ(read_text(getpid(), PC_TEXT_DIRECTORY, large, sizeof(large), NULL), -ENAMETOOLONG);
	for (; depth > 0; depth--) {
		CHECK_EQ(chdir(".."), 0);
		CHECK_EQ(rmdir(name), 0);
	}
	CHECK_EQ(rmdir(directory), 0);
}

static int in_namespace(void *unused)
{
	(void)unused;
	wait_for_ever(NULL);
	return 0;
}

PROMISE(namespace_pid, "pc_process_texts gives the pid that a process has in its own namespace")
{
	static char stack[65536] __attribute__((aligned(16)));
	check_shown(getpid(), PC_TEXT_NSPID); /* -ENODATA without CONFIG_PID_NS */
	pid_t child = clone(in_namespace, stack + sizeof(stack), CLONE_NEWPID | SIGCHLD, NULL);
	if (child < 0)
		skip("cannot make a PID namespace");
	check_shown(child, PC_TEXT_NSPID);
	CHECK(strcmp(large, "1") == 0);
	stop(child);
}

PROMISE(many_groups, "pc_process_texts finds the pid behind a list of groups that is longer than a page")
{
	static gid_t groups[3000];
	for (gid_t i = 0; i < 3000; i++)
		groups[i] = 1000000 + i;
	if (setgroups(3000, groups) != 0)
		skip("setgroups() needs CAP_SETGID");
	if (!shows_nspid())
		skip("this kernel has no PID namespaces");
	check_shown(getpid(), PC_TEXT_NSPID);
	CHECK_EQ(atoi(large), getpid());
}

/* ---- Sizes ---- */

PROMISE(sizes, "pc_process_texts fills a buffer of any size as snprintf() does, and writes nothing behind it")
{
	char *arguments[] = { "one", "", "three", NULL };
	pid_t child = execute(own_path(), arguments);
	for (uint32_t what = PC_TEXT_COMMAND_LINE; what <= PC_TEXT_NSPID; what++) {
		if (what == PC_TEXT_CGROUP || (what == PC_TEXT_NSPID && !shows_nspid()))
			continue;
		struct shown shown = show(child, what);
		for (size_t size = 0; size < shown.length + 3; size++) {
			char *buffer = malloc(size + 1); /* valgrind guards both ends */
			size_t length, fitting = size <= shown.length ? size : shown.length + 1;
			CHECK(buffer);
			memset(buffer, '#', size + 1);
			CHECK_EQ(read_text(child, what, buffer, size, &length), 0);
			CHECK_EQ(length, shown.length);
			CHECK(size == 0 || memcmp(buffer, shown.text, fitting - 1) == 0);
			CHECK(size == 0 || buffer[fitting - 1] == '\0');
			CHECK_EQ(buffer[size], '#');
			free(buffer);
		}
		size_t length;
		CHECK_EQ(read_text(child, what, NULL, 0, &length), 0);
		CHECK_EQ(length, shown.length);
		free(shown.text);
	}
	stop(child);
}

PROMISE(bad_arguments, "pc_process_texts returns -EINVAL for bad arguments, and changes nothing")
{
	char buffer[] = "as it is";
	struct pc_text texts[2] = { { PC_TEXT_COMMAND_LINE, 77, buffer, sizeof(buffer), 78 },
				    { PC_TEXT_EXECUTABLE, 77, NULL, 1, 78 } };
	CHECK_EQ(pc_process_texts(getpid(), 0, texts, 2), -EINVAL);
	CHECK_EQ(pc_process_texts(getpid(), 0, texts, 0), -EINVAL);
	CHECK_EQ(pc_process_texts(getpid(), 0, NULL, 1), -EINVAL);
	CHECK_EQ(pc_process_texts(0, 0, texts, 1), -EINVAL);
	CHECK_EQ(pc_process_texts(-getpid(), 0, texts, 1), -EINVAL);
	CHECK_EQ(texts[0].error, 77);
	CHECK_EQ(texts[0].length, 78);
	CHECK(strcmp(buffer, "as it is") == 0);
}

PROMISE(unknown_kind, "a text that this version does not know has -EINVAL, and the others are read")
{
	static const uint32_t unknown[] = { 0, PC_TEXT_NSPID + 1, 1000, INT32_MAX, UINT32_MAX };
	for (size_t i = 0; i < sizeof(unknown) / sizeof(*unknown); i++) {
		char known[PATH_MAX], other[4] = "###";
		struct pc_text texts[2] = { { unknown[i], 77, other, sizeof(other), 77 },
					    { PC_TEXT_EXECUTABLE, 77, known, sizeof(known), 77 } };
		CHECK_EQ(pc_process_texts(getpid(), 0, texts, 2), 0);
		CHECK_EQ(texts[0].error, -EINVAL);
		CHECK_EQ(texts[0].length, 0);
		CHECK_EQ(other[0], '\0');
		CHECK_EQ(texts[1].error, 0);
		CHECK(texts[1].length > 0 && texts[1].length == strlen(known));
	}
}

PROMISE(no_memory, "pc_process_texts allocates nothing")
{
	struct pc_text texts[KINDS] = { 0 };
	for (uint32_t i = 0; i < KINDS; i++)
		texts[i].what = PC_TEXT_COMMAND_LINE + i;
	exhaust_memory();
	for (int i = 0; i < 20; i++)
		CHECK_EQ(pc_process_texts(getpid(), 0, texts, KINDS), 0);
}

/* ---- Whose texts ---- */

PROMISE(identity, "pc_process_texts returns -ESRCH for a process that started a tick earlier or later, and gives no text")
{
	uint64_t start = start_of(getpid());
	struct pc_text text = { .what = PC_TEXT_EXECUTABLE };
	check_refused(getpid(), start - TICK, -ESRCH);
	check_refused(getpid(), start + TICK, -ESRCH);
	CHECK_EQ(pc_process_texts(getpid(), start, &text, 1), 0);
	CHECK_EQ(text.error, 0);
	CHECK_EQ(pc_process_texts(getpid(), 0, &text, 1), 0);
	CHECK_EQ(text.error, 0);
}

PROMISE(reused_pid, "pc_process_texts returns -ESRCH when the pid has another owner than the one that the caller knows")
{
	pid_t old = start_child(wait_for_ever, NULL);
	uint64_t start = start_of(old);
	stop(old);
	usleep(2 * TICK / 1000);
	pid_t reused = clone_with_id(old);
	if (reused < 0)
		skip("clone3 with set_tid needs CAP_SYS_ADMIN and Linux 5.5");
	if (reused == 0)
		wait_for_ever(NULL);
	check_refused(old, start, -ESRCH);
	CHECK(start_of(reused) != start);
	check_shown(reused, PC_TEXT_COMMAND_LINE);
	stop(reused);
}

static void *tell_and_wait(void *fds)
{
	int *pipes = fds;
	pid_t tid = (pid_t)syscall(SYS_gettid);
	char byte;
	write(pipes[1], &tid, sizeof(tid));
	read(pipes[2], &byte, 1);
	return NULL;
}

PROMISE(thread, "pc_process_texts returns -ESRCH for the id of a thread, although /proc opens it")
{
	int pipes[4];
	pthread_t thread;
	pid_t tid;
	CHECK_EQ(pipe(pipes), 0);
	CHECK_EQ(pipe(pipes + 2), 0);
	CHECK_EQ(pthread_create(&thread, NULL, tell_and_wait, pipes), 0);
	CHECK_EQ(read(pipes[0], &tid, sizeof(tid)), sizeof(tid));
	check_refused(tid, 0, -ESRCH);
	check_refused(tid, start_of(getpid()), -ESRCH);
	write(pipes[3], "x", 1);
	pthread_join(thread, NULL);
}

PROMISE(gone, "pc_process_texts returns -ESRCH for a process that has exited, or never existed")
{
	pid_t child = start_child(wait_for_ever, NULL);
	uint64_t start = start_of(child);
	stop(child);
	check_refused(child, start, -ESRCH);
	check_refused(child, 0, -ESRCH);
	check_refused(2147483647, 0, -ESRCH);
}

PROMISE(zombie, "a zombie has no command line, executable and directory any more, but its pid is still known")
{
	pid_t child = start_child(wait_for_ever, NULL);
	uint64_t start = start_of(child);
	siginfo_t info;
	kill(child, SIGKILL);
	CHECK_EQ(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
	char buffers[4][16];
	struct pc_text texts[4];
	for (uint32_t i = 0; i < 3; i++)
		texts[i] = (struct pc_text){ PC_TEXT_COMMAND_LINE + i, 77, buffers[i], 16, 77 };
	texts[3] = (struct pc_text){ PC_TEXT_NSPID, 77, buffers[3], 16, 77 };
	CHECK_EQ(pc_process_texts(child, start, texts, 3), -ESRCH);
	if (!shows_nspid())
		skip("this kernel has no PID namespaces");
	CHECK_EQ(pc_process_texts(child, start, texts, 4), 0);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(texts[i].error, -ESRCH);
		CHECK_EQ(texts[i].length, 0);
		CHECK_EQ(buffers[i][0], '\0');
	}
	CHECK_EQ(texts[3].error, 0);
	CHECK_EQ(atoi(buffers[3]), child);
	end_child(child);
}

static void *wait_for_byte(void *fd)
{
	char byte;
	read(*(int *)fd, &byte, 1);
	return NULL;
}

PROMISE(leader_gone, "while threads live on without their leader, its texts have -EAGAIN, not -ESRCH")
{
	int gate[2];
	CHECK_EQ(pipe(gate), 0);
	pid_t child = fork();
	if (child == 0) {
		pthread_t thread;
		CHECK_EQ(pthread_create(&thread, NULL, wait_for_byte, &gate[0]), 0);
		syscall(SYS_exit, 0);
	}
	while (pc_process_alive(child) != 2)
		usleep(1000);
	for (uint32_t what = PC_TEXT_COMMAND_LINE; what <= PC_TEXT_DIRECTORY; what++)
		CHECK_EQ(read_text(child, what, large, sizeof(large), NULL), -EAGAIN);
	if (shows_nspid())
		check_shown(child, PC_TEXT_NSPID);
	CHECK_EQ(write(gate[1], "x", 1), 1);
	end_child(child);
}

/* ---- What may not be read ---- */

static pid_t find_kernel_thread(void)
{
	struct pc_process process;
	for (pid_t pid = 2; pid < 100; pid++)
		if (pc_process_read(pid, &process) == 1 && process.state & PC_PROCESS_KERNEL_THREAD)
			return pid;
	skip("this PID namespace has no kernel threads");
}

static void become_nobody(void)
{
	CHECK_PERMITTED(setgroups(0, NULL));
	CHECK_PERMITTED(setresgid(65534, 65534, 65534));
	CHECK_PERMITTED(setresuid(65534, 65534, 65534));
}

static void read_kernel_thread(void *as_nobody)
{
	pid_t pid = find_kernel_thread();
	if (as_nobody)
		become_nobody();
	CHECK_EQ(read_text(pid, PC_TEXT_COMMAND_LINE, large, sizeof(large), NULL), -ENODATA);
	CHECK_EQ(read_text(pid, PC_TEXT_EXECUTABLE, large, sizeof(large), NULL), -ENODATA);
	if (as_nobody)
		CHECK_EQ(read_text(pid, PC_TEXT_DIRECTORY, large, sizeof(large), NULL), -EACCES);
	else
		check_shown(pid, PC_TEXT_DIRECTORY);
	check_shown(pid, PC_TEXT_NSPID);
}

PROMISE(kernel_thread, "a kernel thread has no command line and no executable: -ENODATA")
{
	in_child(read_kernel_thread, NULL);
}

PROMISE(kernel_thread_of_another, "a kernel thread has no executable even for a user who could not read one")
{
	in_child(read_kernel_thread, (void *)1);
}

static void read_anothers(void *unused)
{
	(void)unused;
	pid_t other = getppid();
	become_nobody();
	check_shown(other, PC_TEXT_COMMAND_LINE);
	check_shown(other, PC_TEXT_NSPID);
	CHECK_EQ(read_text(other, PC_TEXT_EXECUTABLE, large, sizeof(large), NULL), -EACCES);
	CHECK_EQ(read_text(other, PC_TEXT_DIRECTORY, large, sizeof(large), NULL), -EACCES);
}

PROMISE(anothers, "another user's executable and directory have -EACCES, and the command line is read")
{
	in_child(read_anothers, NULL);
}

static void read_hidden(void *option)
{
	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("proc", "/proc", "proc", 0, option) != 0)
		skip("cannot mount /proc with hidepid");
	pid_t other = getppid();
	become_nobody();
	check_refused(other, 0, -EACCES);
	check_refused(2147483647, 0, -ESRCH);
	check_shown(getpid(), PC_TEXT_NSPID);
}

PROMISE(hidden, "pc_process_texts returns -EACCES for a process that hidepid hides, not -ESRCH")
{
	in_child(read_hidden, "hidepid=2");
}

PROMISE(forbidden, "pc_process_texts returns -EACCES for a process that hidepid shows but does not let read")
{
	in_child(read_hidden, "hidepid=1");
}

static void read_without_proc(void *unused)
{
	(void)unused;
	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) != 0 ||
	    umount2("/proc", MNT_DETACH) != 0)
		skip("cannot unmount /proc");
	check_refused(getpid(), 0, -EACCES);
	check_refused(2147483647, 0, -ESRCH);
}

PROMISE(no_proc, "without /proc, pc_process_texts returns -EACCES for a living process, not -ESRCH")
{
	in_child(read_without_proc, NULL);
}

/* ---- While a process runs one program after the other ---- */

static void *exec_next_from_thread(void *unused);

/* Runs this program again, by turns with a short and a long command line. */
static void exec_next(bool was_long)
{
	static char many[200];
	memset(many, 'm', sizeof(many) - 1);
	if (was_long)
		execl("/proc/self/exe", "exec-for-ever", "short", (char *)NULL);
	else
		execl("/proc/self/exe", "exec-for-ever", many, (char *)NULL);
	_exit(127);
}

static bool is_long;

static void *exec_next_from_thread(void *unused)
{
	exec_next(is_long);
	return unused;
}

__attribute__((constructor)) static void go_on_if_executed(void)
{
	char *argv[3];
	if (own_arguments(argv, 3) != 2 || strcmp(argv[0], "exec-for-ever") != 0)
		return;
	is_long = strlen(argv[1]) > 10;
	pthread_t thread;
	if (getenv("EXEC_FROM_THREADS") &&
	    pthread_create(&thread, NULL, exec_next_from_thread, NULL) == 0)
		wait_for_ever(NULL);
	exec_next(is_long);
}

static void start_execs(void *from_threads)
{
	if (from_threads)
		setenv("EXEC_FROM_THREADS", "1", 1);
	exec_next(true);
}

static void read_during_execs(void *from_threads)
{
	enum { SHORT = sizeof("exec-for-ever\0short") };
	if (getenv("INSTRUMENTED"))
		skip("under valgrind, /proc/self/exe is another program");
	pid_t child = start_child(start_execs, from_threads);
	struct shown shown;
	while ((shown = show_file(child, "cmdline")).length < 14 ||
	       strcmp(shown.text, "exec-for-ever") != 0)
		free(shown.text);
	free(shown.text);
	long lengths[3] = { 0 };
	uint64_t start = start_of(child);
	for (uint64_t until = now_ns() + 1000000000u; now_ns() < until;) {
		char command[60], path[PATH_MAX];
		struct pc_text texts[] = {
			{ PC_TEXT_COMMAND_LINE, 77, command, sizeof(command), 77 },
			{ PC_TEXT_EXECUTABLE, 77, path, sizeof(path), 77 },
		};
		CHECK_EQ(pc_process_texts(child, start, texts, 2), 0);
		CHECK(texts[1].error == -EAGAIN ||
		      (texts[1].error == 0 && strcmp(path, own_path()) == 0));
		if (texts[0].error != 0) {
			CHECK_EQ(texts[0].error, -EAGAIN);
			lengths[0]++;
		} else if (texts[0].length >= sizeof(command)) {
			CHECK(memcmp(command, "exec-for-ever\0mmmm", 18) == 0);
			lengths[2]++;
		} else {
			CHECK_EQ(texts[0].length, SHORT);
			CHECK(memcmp(command, "exec-for-ever\0short", SHORT) == 0);
			lengths[1]++;
		}
	}
	fprintf(stderr, "# %ld short, %ld long, %ld not at that moment\n", lengths[1], lengths[2],
		lengths[0]);
	CHECK(lengths[1] > 0 && lengths[2] > 0);
	stop(child);
}

PROMISE(execs, "a process that execs all the time never has an empty command line, or a part of one that passes for the whole")
{
	in_child(read_during_execs, NULL);
}

PROMISE(thread_execs, "nor does a process whose threads exec all the time")
{
	in_child(read_during_execs, (void *)1);
}
