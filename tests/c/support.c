#include "support.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

struct pc_connector *open_connector(uint32_t events, uint32_t flags, uint32_t rcvbuf_bytes)
{
	struct pc_options options = PC_OPTIONS_INIT;
	options.events = events;
	options.flags = flags;
	options.rcvbuf_bytes = rcvbuf_bytes;
	struct pc_connector *pc = NULL;
	int result = pc_open(&pc, &options);
	if (result == -EPERM || result == -EOPNOTSUPP || result == -ECONNREFUSED)
		skip(pc_strerror(result));
	CHECK_EQ(result, 0);
	CHECK(pc != NULL);
	return pc;
}

static struct pc_event await(struct pc_connector *pc, uint32_t kind, pid_t tgid)
{
	uint64_t deadline = now_ns() + PATIENCE_MS * 1000000ull;
	struct pc_event event;
	for (;;) {
		uint64_t now = now_ns();
		int left = now < deadline ? (int)((deadline - now) / 1000000u) : 0;
		int result = pc_recv(pc, &event, left);
		if (result == 0)
			fail(__FILE__, __LINE__, "no %s of %d came", pc_event_name(kind), (int)tgid);
		CHECK_EQ(result, 1);
		if (event.kind == kind && (tgid == 0 || pc_event_tgid(&event) == tgid))
			return event;
		if (event.kind == PC_EVENT_OVERRUN)
			fail(__FILE__, __LINE__, "an overrun came instead of %s",
			     pc_event_name(kind));
	}
}

struct pc_event await_event(struct pc_connector *pc, uint32_t kind, pid_t tgid)
{
	return await(pc, kind, tgid);
}

struct pc_event await_kind(struct pc_connector *pc, uint32_t kind)
{
	return await(pc, kind, 0);
}

uint64_t drain(struct pc_connector *pc)
{
	struct pc_event events[64];
	uint64_t count = 0;
	for (int result; (result = pc_recv_many(pc, events, 64, 0)) != 0;) {
		CHECK(result > 0);
		for (int i = 0; i < result; i++)
			count += events[i].kind != PC_EVENT_OVERRUN;
	}
	return count;
}

struct pc_stats stats_of(const struct pc_connector *pc)
{
	struct pc_stats stats;
	CHECK_EQ(pc_get_stats(pc, &stats, sizeof(stats)), 0);
	return stats;
}

void rename_self(const char *name)
{
	CHECK_EQ(prctl(PR_SET_NAME, name), 0);
}

void flood(long count)
{
	for (long i = 0; i < count; i++)
		prctl(PR_SET_NAME, "flood");
}

long repetitions(long most)
{
	const char *flood = getenv("PROMISES_FLOOD");
	return flood ? (long)((long long)most * atol(flood) / 200000) : most;
}

pid_t start_child(void (*f)(void *), void *argument)
{
	pid_t child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		f(argument);
		exit(0);
	}
	return child;
}

int end_child(pid_t child)
{
	int status;
	while (waitpid(child, &status, 0) < 0)
		CHECK_EQ(errno, EINTR);
	if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
		exit(SKIPPED);
	return status;
}

void in_child(void (*f)(void *), void *argument)
{
	CHECK_EQ(end_child(start_child(f, argument)), 0);
}

pid_t clone_with_id(pid_t id)
{
	struct {
		uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls,
			set_tid, set_tid_size;
	} arguments = { .exit_signal = SIGCHLD,
			.set_tid = (uint64_t)(uintptr_t)&id,
			.set_tid_size = 1 };
	return (pid_t)syscall(SYS_clone3, &arguments, sizeof(arguments));
}

void wait_for_ever(void *unused)
{
	(void)unused;
	for (;;)
		pause();
}

pid_t start_as(pid_t id)
{
	pid_t pid = clone_with_id(id);
	if (pid < 0 && errno != EEXIST)
		skip("clone3 with set_tid needs CAP_SYS_ADMIN and Linux 5.5");
	if (pid == 0)
		wait_for_ever(NULL);
	return pid;
}

int own_arguments(char *values[], int most)
{
	static char line[4096];
	int count = 0, fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? 0 : read(fd, line, sizeof(line) - 1);
	close(fd);
	for (char *next = line; next - line < length && count < most; next += strlen(next) + 1)
		values[count++] = next;
	return count;
}

/* By its real path, which valgrind insists on. */
void *exec_self(void *unused)
{
	char path[4096];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
	if (length > 0) {
		path[length] = '\0';
		execl(path, path, "--version", (char *)NULL);
	}
	(void)unused;
	_exit(127);
}

void *exec_impossible(void *unused)
{
	/* No room for the new program's stack, which is made when the old one is gone. */
	struct rlimit none = { 8192, 8192 };
	static char *const nothing[] = { NULL };
	setrlimit(RLIMIT_AS, &none);
	execve("/proc/thread-self/exe", nothing, nothing); /* self has none if the leader has ended */
	_exit(99);
	return unused;
}

__attribute__((constructor)) static void end_if_executed(void)
{
	char *argv[3];
	if (own_arguments(argv, 3) == 2 && strcmp(argv[1], "--version") == 0)
		_exit(0);
}

static void flood_without_end(void *unused)
{
	(void)unused;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		flood(1000);
}

long count_sleeps(void)
{
	struct rusage usage;
	CHECK_EQ(getrusage(RUSAGE_THREAD, &usage), 0);
	return usage.ru_nvcsw;
}

pid_t start_flood(void)
{
	return start_child(flood_without_end, NULL);
}

void stop_flood(pid_t child)
{
	kill(child, SIGKILL);
	end_child(child);
}

/* Without libc, which on some machines makes other system calls for these. */
int raw_socket(bool joined)
{
	int fd = (int)syscall(SYS_socket, AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			      NETLINK_CONNECTOR);
	CHECK(fd >= 0);
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = joined ? 1 : 0 };
	CHECK_EQ(syscall(SYS_bind, fd, &address, sizeof(address)), 0);
	return fd;
}

static void put(unsigned char *datagram, size_t offset, uint32_t value)
{
	memcpy(datagram + offset, &value, sizeof(value));
}

static void put_headers(unsigned char *datagram, uint16_t payload, uint32_t seq, uint32_t ack)
{
	uint16_t type = NLMSG_DONE;
	put(datagram, 0, 36u + payload);
	memcpy(datagram + 4, &type, sizeof(type));
	put(datagram, 16, CN_IDX_PROC);
	put(datagram, 20, CN_VAL_PROC);
	put(datagram, 24, seq);
	put(datagram, 28, ack);
	memcpy(datagram + 32, &payload, sizeof(payload));
}

void raw_request(int fd, uint32_t operation, uint32_t ack)
{
	unsigned char message[40] = { 0 };
	put_headers(message, 4, 0, ack);
	put(message, 36, operation);
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	CHECK_EQ(syscall(SYS_sendto, fd, message, sizeof(message), 0, &kernel, sizeof(kernel)), sizeof(message));
}

uint32_t raw_answer(int fd)
{
	unsigned char message[256];
	for (;;) {
		long size = syscall(SYS_recvfrom, fd, message, sizeof(message), MSG_DONTWAIT, NULL, NULL);
		if (size < 0 && errno == ENOBUFS)
			continue;
		if (size < 0)
			return 0;
		uint32_t what, ack;
		memcpy(&ack, message + 28, 4);
		memcpy(&what, message + 36, 4);
		if (size >= EVENT_SIZE && what == 0)
			return ack;
	}
}

void make_datagram(unsigned char datagram[EVENT_SIZE], uint32_t what, uint32_t seq,
		   const void *data, size_t size)
{
	memset(datagram, 0, EVENT_SIZE);
	put_headers(datagram, 40, seq, 0);
	put(datagram, 36, what);
	put(datagram, 40, 1);
	uint64_t timestamp = 0x0123456789abcdef;
	memcpy(datagram + 44, &timestamp, sizeof(timestamp));
	memcpy(datagram + 52, data, size);
}

void make_exec(unsigned char datagram[EVENT_SIZE], pid_t pid)
{
	pid_t ids[2] = { pid, pid };
	make_datagram(datagram, 0x00000002, 7, ids, sizeof(ids));
}

bool kernel_listens(void)
{
	int fd = raw_socket(true);
	uint32_t token = 0x5eed0000u ^ (uint32_t)now_ns(), answer;
	raw_request(fd, 9, token);
	do
		answer = raw_answer(fd);
	while (answer != 0 && answer != token + 1);
	close(fd);
	return answer != 0;
}

int deafen(void)
{
	int count = 0;
	for (; kernel_listens(); count++) {
		CHECK(count < 10000);
		int fd = raw_socket(false);
		raw_request(fd, 9, 1);
		raw_request(fd, PROC_CN_MCAST_IGNORE, 1);
		close(fd);
	}
	return count;
}

int count_listeners(void)
{
	int count = deafen();
	for (int i = 0; i < count; i++) {
		int fd = raw_socket(false);
		raw_request(fd, PROC_CN_MCAST_LISTEN, 1);
		close(fd);
	}
	return count;
}

int open_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	CHECK(directory != NULL);
	int count = 0;
	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

void exhaust_memory(void)
{
	static const struct rlimit none = { 0, 0 };
	static void *volatile block;
	if (getenv("INSTRUMENTED"))
		skip("instrumented code allocates memory of its own");
	CHECK_EQ(setrlimit(RLIMIT_DATA, &none), 0);
	/* What the allocator still has, in pieces of all sizes that it may keep apart. */
	for (size_t size = 1 << 16; size > 0; size -= size > 1024 ? 1024 : 8)
		do
			block = malloc(size);
		while (block);
}

static void install(struct sock_filter *instructions, size_t count)
{
	struct sock_fprog program = { (unsigned short)count, instructions };
	CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		skip("no seccomp filters");
}

#define LOAD_NUMBER BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define IF_NUMBER(number) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)(number), 0, 1)
#define VERDICT(verdict) BPF_STMT(BPF_RET | BPF_K, (verdict))

void deny(int number, int error)
{
	struct sock_filter program[] = { LOAD_NUMBER, IF_NUMBER(number),
					 VERDICT(SECCOMP_RET_ERRNO | (unsigned)error),
					 VERDICT(SECCOMP_RET_ALLOW) };
	install(program, 4);
}

enum { INSTRUCTIONS_MAX = 200 };

/* Returns how many instructions there are. */
static size_t allow(struct sock_filter *program, const int *numbers, size_t count, unsigned verdict_on_others)
{
	size_t used = 0;
	CHECK(count * 2 + 2 <= INSTRUCTIONS_MAX);
	program[used++] = (struct sock_filter)LOAD_NUMBER;
	for (size_t i = 0; i < count; i++) {
		program[used++] = (struct sock_filter)IF_NUMBER(numbers[i]);
		program[used++] = (struct sock_filter)VERDICT(SECCOMP_RET_ALLOW);
	}
	program[used++] = (struct sock_filter)VERDICT(verdict_on_others);
	return used;
}

void allow_only(const int *numbers, size_t count)
{
	struct sock_filter program[INSTRUCTIONS_MAX];
	install(program, allow(program, numbers, count, SECCOMP_RET_KILL_PROCESS));
}

int notify_of_others(const int *numbers, size_t count)
{
	struct sock_filter instructions[INSTRUCTIONS_MAX];
	struct sock_fprog program = { .filter = instructions };
	program.len = (unsigned short)allow(instructions, numbers, count, SECCOMP_RET_USER_NOTIF);
	CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
	CHECK(fd > 0);
	return (int)fd;
}
