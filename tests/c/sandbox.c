/* The library makes no other system calls than those that the header lists, group by group. */
#include "churn.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What the promise itself needs, to make events and to exit. */
#define OWN SYS_prctl, SYS_exit_group, SYS_getpid
/* What libc calls, where its system call is not, or not always, the one of the function's name. */
#if defined(__i386__) || defined(__s390x__)
#define RECVFROM SYS_socketcall
#else
#define RECVFROM SYS_recvfrom
#endif
#ifdef SYS_clock_gettime64
#define CLOCK SYS_clock_gettime64
#define SET_TIMER SYS_timerfd_settime, SYS_timerfd_settime64
#define TIMED SYS_ppoll, SYS_ppoll_time64, SYS_recvmmsg_time64, CLOCK
#else
#define CLOCK SYS_clock_gettime
#define SET_TIMER SYS_timerfd_settime
#define TIMED SYS_ppoll, SYS_recvmmsg, CLOCK
#endif
#ifndef SYS_newfstatat
#define STAT SYS_statx
#elif defined(__GLIBC__) || !defined(SYS_stat)
#define STAT SYS_newfstatat
#else
#define STAT SYS_newfstatat, SYS_stat
#endif
#if defined(__GLIBC__) || !defined(SYS_fstat)
#define STAT_OPEN_FILE STAT
#else
#define STAT_OPEN_FILE STAT, SYS_fstat
#endif
#ifdef SYS_mmap2
#define ALLOCATING SYS_brk, SYS_mmap2
#else
#define ALLOCATING SYS_brk, SYS_mmap
#endif

#define RECEIVING RECVFROM, TIMED, SYS_getsockopt, SYS_read
#define CONTROLLING                                                                                \
	SYS_socket, SYS_setsockopt, SYS_getsockopt, SYS_bind, SYS_sendto, SYS_recvfrom, SYS_close, \
		SYS_write, SYS_futex, SYS_getrandom, CLOCK, STAT, SYS_openat, SYS_read
#define FOLLOWING                                                                                  \
	RECEIVING, ALLOCATING, SYS_openat, SYS_close, SYS_kill, SYS_tgkill, SYS_getdents64,        \
		SYS_lseek, SYS_epoll_ctl, SYS_epoll_pwait, SYS_pidfd_open, SYS_ioctl, SYS_capget,  \
		SYS_write

#define OPENING                                                                                    \
	CONTROLLING, ALLOCATING, SYS_munmap, SYS_madvise, SYS_eventfd2, SYS_fcntl

/* In the child of confined() that shows what it calls. */
static bool is_watched;

/* From now on, the process makes no other calls than these, which the header's row of `function` allows. */
#define CONFINE(function, ...)                                                                     \
	do {                                                                                       \
		static const int allowed[] = { OWN, __VA_ARGS__ };                                 \
		if (getenv("INSTRUMENTED"))                                                        \
			skip("instrumented code makes system calls of its own");                   \
		if (is_watched)                                                                    \
			watch_calls(function);                                                     \
		else                                                                               \
			allow_only(allowed, sizeof(allowed) / sizeof(allowed[0]));                 \
	} while (0)

/* ---- Which calls are made: PROMISES_CALLS=1 shows it, for tests/system-calls.sh ---- */

static const struct {
	int number;
	const char *name;
} names[] = {
#define NAME(name) { SYS_##name, #name }
	NAME(bind), NAME(brk), NAME(capget), NAME(clock_gettime), NAME(close), NAME(epoll_create1), NAME(epoll_ctl),
	NAME(epoll_pwait), NAME(eventfd2), NAME(fcntl), NAME(fstatfs), NAME(futex), NAME(getdents64),
	NAME(getrandom), NAME(getsockopt), NAME(ioctl), NAME(kill), NAME(lseek), NAME(madvise), NAME(mprotect),
	NAME(mremap), NAME(munmap), NAME(openat), NAME(pidfd_open), NAME(ppoll), NAME(read), NAME(readlinkat),
	NAME(recvfrom), NAME(recvmmsg), NAME(sched_getattr), NAME(sched_setattr), NAME(sched_yield), NAME(sendto),
	NAME(setsockopt), NAME(socket), NAME(statx), NAME(tgkill), NAME(timerfd_create), NAME(timerfd_settime),
	NAME(write),
#ifdef SYS_newfstatat
	NAME(newfstatat),
#endif
#ifdef SYS_stat
	NAME(stat),
#endif
#ifdef SYS_fstat
	NAME(fstat),
#endif
#ifdef SYS_mmap
	NAME(mmap),
#endif
#ifdef SYS_mmap2
	NAME(mmap2),
#endif
#ifdef SYS_socketcall
	NAME(socketcall),
#endif
#ifdef SYS_clock_gettime64
	NAME(clock_gettime64), NAME(ppoll_time64), NAME(recvmmsg_time64), NAME(timerfd_settime64),
#endif
};
enum { NAMES = sizeof(names) / sizeof(names[0]) };

/* Another process, so that its own calls pass. The kernel asks it about each call, and it lets all pass. */
static void show_calls(const char *function, int notifier)
{
	bool made[NAMES + 1] = { false };
	struct pollfd entry = { .fd = notifier, .events = POLLIN };
	while (poll(&entry, 1, -1) > 0 && entry.revents & POLLIN) {
		struct seccomp_notif call = { 0 };
		if (syscall(SYS_ioctl, notifier, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0)
			continue;
		size_t i = 0;
		while (i < NAMES && names[i].number != call.data.nr)
			i++;
		if (i == NAMES && !made[NAMES])
			printf("# %s calls number %d\n", function, call.data.nr);
		made[i] = true;
		struct seccomp_notif_resp pass = { .id = call.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };
		syscall(SYS_ioctl, notifier, SECCOMP_IOCTL_NOTIF_SEND, &pass);
	}
	for (size_t i = 0; i < NAMES; i++)
		if (made[i])
			printf("# %s calls %s\n", function, names[i].name);
	_exit(0);
}

/* From now on, the calls of this process are shown, once each, when it has ended. */
static void watch_calls(const char *function)
{
	int *notifier = mmap(NULL, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct {
		uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
	} shares_descriptors = { .flags = CLONE_FILES };
	CHECK(notifier != MAP_FAILED);
	long child = syscall(SYS_clone3, &shares_descriptors, sizeof(shares_descriptors));
	CHECK(child >= 0);
	if (child == 0) {
		while (__atomic_load_n(notifier, __ATOMIC_ACQUIRE) == 0)
			usleep(1000);
		show_calls(function, *notifier);
	}
	static const int own[] = { OWN };
	int made = notify_of_others(own, sizeof(own) / sizeof(own[0]));
	__atomic_store_n(notifier, made, __ATOMIC_RELEASE);
}

/* Runs f in a child, which confines itself; and once before, if its calls are to be shown, until they have been. */
static void confined(void (*f)(void *), void *argument)
{
	if (getenv("PROMISES_CALLS")) {
		int until_all_ended[2];
		char nothing;
		CHECK_EQ(pipe(until_all_ended), 0);
		is_watched = true;
		in_child(f, argument);
		is_watched = false;
		close(until_all_ended[1]);
		CHECK_EQ(read(until_all_ended[0], &nothing, 1), 0);
		close(until_all_ended[0]);
	}
	in_child(f, argument);
}

/* ---- The groups of functions ---- */

static void receive_confined(void *argument)
{
	struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, 8192);
	(void)argument;
	CHECK_EQ(pc_interrupt(pc), 0);
	CONFINE("pc_recv", RECEIVING);
	struct pc_event events[64];
	CHECK_EQ(pc_recv(pc, events, -1), -ECANCELED);
	for (int i = 0; i < 3; i++) {
		flood(100);
		while (pc_recv(pc, events, 0) > 0)
			;
		flood(100);
		while (pc_recv_many(pc, events, 64, 1) > 0)
			;
	}
	CHECK(stats_of(pc).lost > 0);
	CHECK(pc_fd(pc) >= 0);
	exit(0);
}

PROMISE(receiving, "receiving, with losses, makes only the system calls that the header lists")
{
	confined(receive_confined, NULL);
}

static void control_confined(void *deaf)
{
	struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, 0);
	CONFINE("pc_check", CONTROLLING);
	int repaired;
	do { /* until no other listener repairs it first; deafen() makes no other calls either */
		if (deaf)
			deafen();
		repaired = pc_check(pc);
	} while (deaf && repaired == 0);
	CHECK_EQ(repaired, deaf ? 1 : 0);
	CHECK_EQ(pc_unsubscribe(pc), 0);
	CHECK_EQ(pc_set_filter(pc, NULL), 0);
	CHECK_EQ(pc_subscribe(pc), 0);
	CHECK_EQ(pc_set_filter(pc, NULL), 0);
	CHECK_EQ(pc_interrupt(pc), 0);
	exit(0);
}

PROMISE(controlling, "checking, pausing, resuming and filtering make only the system calls that the header lists")
{
	confined(control_confined, NULL);
}

PROMISE(repairing, "the repair of a deaf kernel makes only the system calls that the header lists")
{
	confined(control_confined, (void *)1);
}

static void open_confined(void *unused)
{
	struct pc_connector *pc;
	struct pc_options options = PC_OPTIONS_INIT;
	(void)unused;
	CONFINE("pc_open", OPENING);
	CHECK_EQ(pc_open(&pc, NULL), 0);
	int fd = pc_release(pc);
	options.flags = PC_OPEN_SUBSCRIBED;
	CHECK_EQ(pc_open_fd(&pc, fd, &options), 0);
	pc_close(pc);
	exit(0);
}

PROMISE(opening, "pc_open and pc_open_fd make only the system calls that the header lists")
{
	pc_close(open_connector(0, 0, 0));
	confined(open_confined, NULL);
}

static void open_table_confined(void *unused)
{
	struct pc_table *table;
	struct pc_table_options options = PC_TABLE_OPTIONS_INIT;
	(void)unused;
	options.flags = PC_TABLE_PROC_FD;
	options.proc_fd = open("/proc", O_RDONLY | O_DIRECTORY);
	CONFINE("pc_table_open", OPENING, FOLLOWING, SYS_epoll_create1, SYS_timerfd_create, SET_TIMER, SYS_fstatfs);
	CHECK_EQ(pc_table_open(&table, NULL), 0);
	int fd = pc_table_release(table);
	options.flags |= PC_TABLE_SUBSCRIBED;
	CHECK_EQ(pc_table_open_fd(&table, fd, &options), 0);
	pc_table_close(table);
	exit(0);
}

PROMISE(opening_tables, "pc_table_open and pc_table_open_fd make only the system calls that the header lists")
{
	pc_close(open_connector(0, 0, 0));
	confined(open_table_confined, NULL);
}

static void ask_from_elsewhere_confined(void *unused)
{
	struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, 0);
	(void)unused;
	if (unshare(CLONE_NEWUSER) != 0)
		skip("cannot make a user namespace");
	CONFINE("pc_check", CONTROLLING);
	CHECK_EQ(pc_check(pc), -EOPNOTSUPP);
	exit(0);
}

PROMISE(explaining, "explaining why the kernel is silent makes only the system calls that the header lists")
{
	confined(ask_from_elsewhere_confined, NULL);
}

static void close_confined(void *unused)
{
	struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, 0);
	struct pc_connector *released = open_connector(PC_MASK_COMM, 0, 0);
	struct pc_table *table;
	(void)unused;
	CHECK_EQ(pc_table_open(&table, NULL), 0);
	CONFINE("pc_close", SYS_sendto, SYS_close, SYS_munmap, SYS_brk, SYS_madvise);
	pc_close(pc);
	CHECK(pc_release(released) >= 0);
	pc_table_close(table);
	exit(0);
}

PROMISE(closing, "pc_close, pc_release and pc_table_close make only the system calls that the header lists")
{
	confined(close_confined, NULL);
}

static void look_up_confined(void *unused)
{
	(void)unused;
	pid_t self = getpid();
	CONFINE("pc_process_alive", SYS_openat, SYS_read, SYS_close, SYS_kill, SYS_tgkill);
	CHECK_EQ(pc_process_alive(self), 1);
	CHECK_EQ(pc_process_alive(2147483647), 0);
	struct pc_process process;
	CHECK_EQ(pc_process_read(self, &process), 1);
	exit(0);
}

static void read_texts_confined(void *unused)
{
	(void)unused;
	pid_t self = getpid();
	CONFINE("pc_process_texts", SYS_openat, SYS_read, SYS_close, SYS_kill, SYS_tgkill, SYS_readlinkat,
		SYS_sched_yield);
	struct pc_text texts[5] = { 0 };
	for (uint32_t i = 0; i < 5; i++)
		texts[i].what = PC_TEXT_COMMAND_LINE + i;
	CHECK_EQ(pc_process_texts(self, 0, texts, 5), 0);
	CHECK_EQ(pc_process_texts(2147483647, 0, texts, 5), -ESRCH);
	exit(0);
}

PROMISE(reading_texts, "pc_process_texts makes only the system calls that the header lists")
{
	confined(read_texts_confined, NULL);
}

static void read_texts_of_confined(void *unused)
{
	(void)unused;
	pid_t self = getpid();
	struct pc_process process;
	struct pc_text text = { .what = PC_TEXT_EXECUTABLE };
	CHECK_EQ(pc_process_read(self, &process), 1);
	CONFINE("pc_process_texts_of", SYS_openat, SYS_read, SYS_close, SYS_kill, SYS_tgkill, SYS_readlinkat,
		SYS_sched_yield, SYS_pidfd_open, STAT_OPEN_FILE);
	CHECK_EQ(pc_process_texts_of(&process, &text, 1), 0);
	process.pidfd_inode = 1; /* no process has it: it is the inode of the file system's root */
	CHECK_EQ(pc_process_texts_of(&process, &text, 1), -ESRCH);
	exit(0);
}

PROMISE(reading_texts_of, "pc_process_texts_of makes only the system calls that the header lists")
{
	confined(read_texts_of_confined, NULL);
}

PROMISE(looking_up, "pc_process_alive and pc_process_read make only the system calls that the header lists")
{
	confined(look_up_confined, NULL);
}

static void wake_confined(void *unused)
{
	(void)unused;
	CONFINE("pc_wake_soon", SYS_sched_getattr, SYS_sched_setattr);
	CHECK(pc_wake_soon(PC_WAKE_SLICE) >= 0);
	CHECK(pc_wake_soon(PC_WAKE_REALTIME) >= 0);
	exit(0);
}

PROMISE(waking, "pc_wake_soon makes only the system calls that the header lists")
{
	confined(wake_confined, NULL);
}

/* What a table does in addition. */
enum { NOTHING_ELSE, WITH_TEXTS, WITH_INODES };

static void follow_confined(void *what)
{
	const bool with_texts = (intptr_t)what == WITH_TEXTS, with_inodes = (intptr_t)what == WITH_INODES;
	struct pc_table *table;
	struct pc_table_options options = PC_TABLE_OPTIONS_INIT;
	struct pc_change change = { 0 };
	bool ended_without_leader = false, recovered = false;
	options.rcvbuf_bytes = 32768;
	options.text_bytes = with_texts ? 512 : 0;
	options.flags = with_inodes ? PC_TABLE_PIDFD_INODES : 0;
	start_churn(1);
	CHECK_EQ(pc_table_open(&table, &options), 0);
	if (with_texts)
		CONFINE("pc_table_next", FOLLOWING, SYS_readlinkat);
	else if (with_inodes)
		CONFINE("pc_table_next", FOLLOWING, STAT_OPEN_FILE);
	else
		CONFINE("pc_table_next", FOLLOWING);
	for (uint64_t until = now_ns() + (uint64_t)PATIENCE_MS * 1000000;
	     !(recovered && ended_without_leader) && now_ns() < until;) {
		CHECK(pc_table_next(table, &change, 10) >= 0);
		recovered |= change.kind == PC_CHANGE_SYNCED && change.flags & PC_CHANGE_RECOVERED;
		ended_without_leader |= change.kind == PC_CHANGE_EXITED &&
					change.process.state & PC_PROCESS_LEADER_GONE;
	}
	CHECK(recovered);
	CHECK(ended_without_leader);
	if (with_texts) {
		struct pc_process process;
		struct pc_command command;
		CHECK_EQ(pc_table_get(table, getpid(), &process), 1);
		CHECK_EQ(pc_table_command(table, &process, &command), 0);
		CHECK(command.command_line != NULL && command.executable != NULL);
	}
	CHECK_EQ(pc_table_rescan(table), 0);
	CHECK_EQ(pc_table_interrupt(table), 0);
	exit(0);
}

PROMISE(following, "following a table makes only the system calls that the header lists")
{
	confined(follow_confined, NULL);
}

PROMISE(following_texts, "following a table that keeps commands makes only the system calls that the header lists")
{
	confined(follow_confined, (void *)WITH_TEXTS);
}

PROMISE(following_inodes, "following a table that reads inodes makes only the system calls that the header lists")
{
	confined(follow_confined, (void *)WITH_INODES);
}

static void look_confined(void *unused)
{
	struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, 0);
	struct pc_table *table;
	struct pc_change change = { 0 };
	struct pc_process process;
	struct pc_event event = { 0 };
	struct pc_stats stats;
	char line[256];
	uint64_t cursor = 0;
	(void)unused;
	CHECK_EQ(pc_table_open(&table, NULL), 0);
	while (change.kind != PC_CHANGE_SYNCED)
		CHECK_EQ(pc_table_next(table, &change, PATIENCE_MS), 1);
	pid_t self = getpid();
	CONFINE("pc_fd", SYS_exit);
	CHECK(pc_fd(pc) >= 0);
	CHECK_EQ(pc_get_stats(pc, &stats, sizeof(stats)), 0);
	CHECK_EQ(pc_parse(line, 0, &event), -EBADMSG);
	CHECK_EQ(pc_event_tgid(&event), 0);
	CHECK(pc_event_format(&event, line, sizeof(line)) > 0);
	CHECK(*pc_event_name(PC_EVENT_FORK) && *pc_strerror(EINVAL));
	CHECK(pc_change_format(&change, line, sizeof(line)) > 0);
	CHECK(*pc_change_name(PC_CHANGE_FOUND));
	CHECK_EQ(pc_version(), PC_VERSION);
	CHECK(pc_table_fd(table) >= 0);
	CHECK_EQ(pc_table_get_stats(table, &stats, sizeof(stats)), 0);
	CHECK_EQ(pc_table_get(table, self, &process), 1);
	CHECK_EQ(pc_table_each(table, &cursor, &process), 1);
	CHECK_EQ(pc_table_set_user(table, self, 1), 0);
	CHECK(pc_table_count(table) > 0);
	exit(0);
}

PROMISE(unlisted, "the functions that the header does not list make no system calls")
{
	confined(look_confined, NULL);
}
