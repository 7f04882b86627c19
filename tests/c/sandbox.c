/* The library makes no other system calls than those that the header lists, group by group. */
#include "churn.h"
#include "support.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
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
#define TIMED SYS_ppoll, SYS_ppoll_time64, SYS_recvmmsg_time64, CLOCK
#else
#define CLOCK SYS_clock_gettime
#define TIMED SYS_ppoll, SYS_recvmmsg, CLOCK
#endif
#ifdef SYS_mmap2
#define ALLOCATING SYS_brk, SYS_mmap2
#else
#define ALLOCATING SYS_brk, SYS_mmap
#endif

#define RECEIVING RECVFROM, TIMED, SYS_getsockopt, SYS_read
#define CONTROLLING                                                                                \
	SYS_socket, SYS_setsockopt, SYS_getsockopt, SYS_bind, SYS_sendto, SYS_recvfrom, SYS_close, \
		SYS_write, SYS_futex, SYS_getrandom, CLOCK, SYS_readlinkat, SYS_openat, SYS_read
#define FOLLOWING                                                                                  \
	RECEIVING, ALLOCATING, SYS_openat, SYS_close, SYS_kill, SYS_tgkill, SYS_getdents64,        \
		SYS_lseek, SYS_epoll_ctl, SYS_epoll_pwait, SYS_pidfd_open, SYS_ioctl, SYS_capget,  \
		SYS_write

#define CONFINE(...)                                                                               \
	do {                                                                                       \
		static const int allowed[] = { OWN, __VA_ARGS__ };                                 \
		if (getenv("INSTRUMENTED"))                                                      \
			skip("instrumented code makes system calls of its own");                            \
		allow_only(allowed, sizeof(allowed) / sizeof(allowed[0]));                         \
	} while (0)

static void receive_confined(void *argument)
{
	struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, 8192);
	(void)argument;
	CHECK_EQ(pc_interrupt(pc), 0);
	CONFINE(RECEIVING);
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
	in_child(receive_confined, NULL);
}

static void control_confined(void *deaf)
{
	struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, 0);
	/* deafen() makes no other calls, but makes them through libc. */
	if (deaf)
		CONFINE(CONTROLLING, RECVFROM);
	else
		CONFINE(CONTROLLING);
	int repaired;
	do { /* until no other listener repairs it first */
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
	in_child(control_confined, NULL);
}

PROMISE(repairing, "the repair of a deaf kernel makes only the system calls that the header lists")
{
	in_child(control_confined, (void *)1);
}

static void ask_from_elsewhere_confined(void *unused)
{
	struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, 0);
	(void)unused;
	if (unshare(CLONE_NEWUSER) != 0)
		skip("cannot make a user namespace");
	CONFINE(CONTROLLING);
	CHECK_EQ(pc_check(pc), -EOPNOTSUPP);
	exit(0);
}

PROMISE(explaining, "explaining why the kernel is silent makes only the system calls that the header lists")
{
	in_child(ask_from_elsewhere_confined, NULL);
}

static void close_confined(void *unused)
{
	struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, 0);
	struct pc_connector *released = open_connector(PC_MASK_COMM, 0, 0);
	struct pc_table *table;
	(void)unused;
	CHECK_EQ(pc_table_open(&table, NULL), 0);
	CONFINE(SYS_sendto, SYS_close, SYS_munmap, SYS_brk, SYS_madvise);
	pc_close(pc);
	CHECK(pc_release(released) >= 0);
	pc_table_close(table);
	exit(0);
}

PROMISE(closing, "pc_close, pc_release and pc_table_close make only the system calls that the header lists")
{
	in_child(close_confined, NULL);
}

static void look_up_confined(void *unused)
{
	(void)unused;
	pid_t self = getpid();
	CONFINE(SYS_openat, SYS_read, SYS_close, SYS_kill, SYS_tgkill);
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
	CONFINE(SYS_openat, SYS_read, SYS_close, SYS_kill, SYS_tgkill, SYS_readlinkat, SYS_sched_yield);
	struct pc_text texts[5] = { 0 };
	for (uint32_t i = 0; i < 5; i++)
		texts[i].what = PC_TEXT_COMMAND_LINE + i;
	CHECK_EQ(pc_process_texts(self, 0, texts, 5), 0);
	CHECK_EQ(pc_process_texts(2147483647, 0, texts, 5), -ESRCH);
	exit(0);
}

PROMISE(reading_texts, "pc_process_texts makes only the system calls that the header lists")
{
	in_child(read_texts_confined, NULL);
}

PROMISE(looking_up, "pc_process_alive and pc_process_read make only the system calls that the header lists")
{
	in_child(look_up_confined, NULL);
}

static void wake_confined(void *unused)
{
	(void)unused;
	CONFINE(SYS_sched_getattr, SYS_sched_setattr);
	CHECK(pc_wake_soon(PC_WAKE_SLICE) >= 0);
	CHECK(pc_wake_soon(PC_WAKE_REALTIME) >= 0);
	exit(0);
}

PROMISE(waking, "pc_wake_soon makes only the system calls that the header lists")
{
	in_child(wake_confined, NULL);
}

static void follow_confined(void *with_texts)
{
	struct pc_table *table;
	struct pc_table_options options = PC_TABLE_OPTIONS_INIT;
	struct pc_change change = { 0 };
	bool ended_without_leader = false, recovered = false;
	options.rcvbuf_bytes = 32768;
	options.text_bytes = with_texts ? 512 : 0;
	start_churn(1);
	CHECK_EQ(pc_table_open(&table, &options), 0);
	if (with_texts)
		CONFINE(FOLLOWING, SYS_readlinkat);
	else
		CONFINE(FOLLOWING);
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
	in_child(follow_confined, NULL);
}

PROMISE(following_texts, "following a table that keeps commands makes only the system calls that the header lists")
{
	in_child(follow_confined, (void *)1);
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
	CONFINE(SYS_exit);
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
	in_child(look_confined, NULL);
}
