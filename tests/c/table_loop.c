/* A table in a program: descriptor, waiting, interrupts, threads, fork, arguments. */
#include "follower.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <unistd.h>

static bool is_readable(const struct follower *f)
{
	struct pollfd poll_set = { .fd = pc_table_fd(f->table), .events = POLLIN };
	return poll(&poll_set, 1, 0) == 1;
}

static int epoll_on(const struct follower *f, uint32_t how)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = { .events = EPOLLIN | how };
	CHECK_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, pc_table_fd(f->table), &event), 0);
	return epoll;
}

static void await_wakeup(int epoll)
{
	struct epoll_event event;
	CHECK_EQ(epoll_wait(epoll, &event, 1, PATIENCE_MS), 1);
}

/* Hears as such a loop does until this is the history of the process. */
static void loop_until(struct follower *f, int epoll, uint32_t how, pid_t pid, const char *expected)
{
	while (strcmp(history(f, pid), expected) != 0) {
		await_wakeup(epoll);
		while (hear(f, 0) && how == EPOLLET)
			;
	}
}

/* A life that leaves out no kind of work: an exec from a thread, no leader, an orphan. */
static void check_loop(uint32_t how, uint32_t max_work)
{
	struct follower f = open_unheard(TABLE_OPTIONS(.max_work = max_work));
	int epoll = epoll_on(&f, how);
	loop_until(&f, epoll, how, getpid(), "F");
	CHECK_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	struct puppet puppet = start_puppet();
	loop_until(&f, epoll, how, puppet.pid, "S");
	order(&puppet, 'n');
	loop_until(&f, epoll, how, puppet.pid, "SN");
	order(&puppet, 'X');
	loop_until(&f, epoll, how, puppet.pid, "SNX");
	pid_t child = order(&puppet, 'f');
	loop_until(&f, epoll, how, child, "S");
	order(&puppet, 'l');
	dismiss(&puppet, 'q');
	loop_until(&f, epoll, how, puppet.pid, "SNXE");
	loop_until(&f, epoll, how, child, "SP");
	kill(child, SIGKILL);
	end_child(child);
	loop_until(&f, epoll, how, child, "SPE");
	close(epoll);
	close_follower(&f);
}

PROMISE(level_triggered, "a level-triggered loop that calls pc_table_next once per wake-up gets every change")
{
	check_loop(0, 0);
	check_loop(0, 1);
}

PROMISE(edge_triggered, "an edge-triggered loop that calls pc_table_next until 0 at each edge gets every change")
{
	check_loop(EPOLLET, 0);
	check_loop(EPOLLET, 1);
}

PROMISE(little_work, "with max_work 1, pc_table_next returns 0 with work left, and the descriptor becomes readable again")
{
	struct follower f = open_follower(TABLE_OPTIONS(.max_work = 1));
	int epoll = epoll_on(&f, EPOLLET);
	/* A reading that looks at every process, and finds few changes or none. */
	CHECK_EQ(pc_table_rescan(f.table), 0);
	int pauses = 0;
	for (bool synced = false; !synced; pauses++) {
		const struct pc_change *change;
		struct epoll_event event;
		CHECK_EQ(epoll_wait(epoll, &event, 1, 0), 1);
		while (!synced && (change = hear(&f, 0)) != NULL)
			synced = change->kind == PC_CHANGE_SYNCED;
	}
	CHECK(pauses > 10);
	close(epoll);
	close_follower(&f);
}

/* Others may make an event at any time, unless the kernel is deaf, until another listener repairs it. */
static void silence(struct follower *f)
{
	deafen();
	hear_all(f);
}

PROMISE(quiet, "after pc_table_next returned 0, the descriptor is not readable while nothing happens, and a wait sleeps")
{
	struct follower f = open_follower(TABLE_OPTIONS(.fields = PC_FIELD_PARENT));
	struct puppet puppet = start_puppet();
	order(&puppet, 'l'); /* watched by other means than events */
	while (state_of(&f, puppet.pid) != PC_PROCESS_LEADER_GONE)
		hear(&f, 1);
	int quiet = 0;
	for (int trial = 0; quiet < 3; trial++) {
		CHECK(trial < TRIALS);
		silence(&f);
		long sleeps = count_sleeps();
		usleep(1000);
		quiet += !is_readable(&f) && hear(&f, 1) == NULL && count_sleeps() - sleeps >= 2;
	}
	CHECK(pc_table_check(f.table) >= 0);
	dismiss(&puppet, 'q');
	await_change(&f, PC_CHANGE_EXITED, puppet.pid);
	close_follower(&f);
}

PROMISE(timeouts, "a timeout of pc_table_next lasts as long as it says, unless a change comes; -1 waits for a change")
{
	struct follower f = open_follower(TABLE_OPTIONS(.fields = PC_FIELD_SESSION));
	for (int trial = 0, silent = 0; !silent; trial++) {
		CHECK(trial < TRIALS);
		silence(&f);
		uint64_t begun = now_ns();
		silent = hear(&f, 50) == NULL;
		CHECK(!silent || now_ns() - begun >= 50000000u);
	}
	CHECK(pc_table_check(f.table) >= 0);
	struct puppet puppet = start_puppet();
	while (hear(&f, -1)->process.pid != puppet.pid)
		;
	dismiss(&puppet, 'q');
	close_follower(&f);
}

/* The result of a wait without limit that is not a change. */
static int wait_for_the_end(struct pc_table *table)
{
	struct pc_change change;
	int result;
	while ((result = pc_table_next(table, &change, -1)) == 1)
		;
	return result;
}

static void *interrupt_soon(void *table)
{
	usleep(20000);
	CHECK_EQ(pc_table_interrupt(table), 0);
	return NULL;
}

static struct pc_table *for_handler;

static void on_signal(int number)
{
	(void)number;
	if (for_handler)
		pc_table_interrupt(for_handler);
}

PROMISE(interrupt, "pc_table_interrupt, called before a wait, from another thread or from a signal handler, ends one wait with -ECANCELED")
{
	struct follower f = open_follower(TABLE_OPTIONS(.fields = 0));
	struct pc_change change;
	errno = 123;
	for (int i = 0; i < 3; i++)
		CHECK_EQ(pc_table_interrupt(f.table), 0);
	CHECK_EQ(errno, 123);
	CHECK(pc_table_next(f.table, &change, 0) >= 0);
	CHECK_EQ(pc_table_next(f.table, &change, -1), -ECANCELED);
	CHECK(pc_table_next(f.table, &change, 1) >= 0);
	pthread_t thread;
	CHECK_EQ(pthread_create(&thread, NULL, interrupt_soon, f.table), 0);
	CHECK_EQ(wait_for_the_end(f.table), -ECANCELED);
	pthread_join(thread, NULL);

	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	sigaction(SIGALRM, &action, NULL);
	struct itimerval soon = { .it_value.tv_usec = 20000, .it_interval.tv_usec = 20000 };
	setitimer(ITIMER_REAL, &soon, NULL);
	CHECK_EQ(wait_for_the_end(f.table), -EINTR);
	for_handler = f.table;
	CHECK_EQ(wait_for_the_end(f.table), -ECANCELED);
	setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
	close_follower(&f);
}

PROMISE(interrupt_open, "pc_table_interrupt ends a wait while the table reads /proc, and no process is missed")
{
	struct follower f = open_unheard(TABLE_OPTIONS(.max_work = 1));
	for (int i = 0; i < 10; i++) {
		struct pc_change change;
		CHECK_EQ(pc_table_interrupt(f.table), 0);
		CHECK_EQ(pc_table_next(f.table, &change, -1), -ECANCELED);
		CHECK(hear(&f, -1) != NULL);
	}
	await_change(&f, PC_CHANGE_SYNCED, 0);
	check_table_is_proc(&f);
	close_follower(&f);
}

struct helper {
	struct pc_table *table;
	atomic_bool stop;
};

static void *use_from_thread(void *argument)
{
	struct helper *helper = argument;
	struct pc_stats stats;
	while (!atomic_load(&helper->stop)) {
		CHECK(pc_table_check(helper->table) >= 0);
		CHECK_EQ(pc_table_get_stats(helper->table, &stats, sizeof(stats)), 0);
		CHECK(pc_table_fd(helper->table) >= 0);
		CHECK_EQ(pc_table_interrupt(helper->table), 0);
	}
	return NULL;
}

PROMISE(any_thread, "pc_table_check, pc_table_get_stats, pc_table_fd and pc_table_interrupt from another thread do not disturb pc_table_next")
{
	struct follower f = open_unheard(TABLE_OPTIONS(.fields = 0));
	struct helper helper = { .table = f.table };
	pthread_t thread;
	CHECK_EQ(pthread_create(&thread, NULL, use_from_thread, &helper), 0);
	for (int i = 0; i < 20; i++) {
		struct puppet puppet = start_puppet();
		dismiss(&puppet, 'q');
		while (!strchr(history(&f, puppet.pid), 'E'))
			hear(&f, 0);
		CHECK(strcmp(history(&f, puppet.pid), "SE") == 0 ||
		      strcmp(history(&f, puppet.pid), "FE") == 0);
	}
	atomic_store(&helper.stop, true);
	pthread_join(thread, NULL);
	close_follower(&f);
}

static void *wait_until_cancelled(void *table)
{
	wait_for_the_end(table);
	return NULL;
}

PROMISE(cancellation, "a thread that waits in pc_table_next can be cancelled, and the table goes on working")
{
	struct follower f = open_unheard(TABLE_OPTIONS(.fields = 0));
	struct puppet puppet = start_puppet();
	pthread_t thread;
	void *result;
	CHECK_EQ(pthread_create(&thread, NULL, wait_until_cancelled, f.table), 0);
	usleep(50000); /* most likely it waits by then */
	CHECK_EQ(pthread_cancel(thread), 0);
	CHECK_EQ(pthread_join(thread, &result), 0);
	CHECK(result == PTHREAD_CANCELED);
	struct pc_process process;
	struct pc_change change;
	while (pc_table_get(f.table, puppet.pid, &process) == 0)
		CHECK_EQ(pc_table_next(f.table, &change, PATIENCE_MS), 1);
	dismiss(&puppet, 'q');
	do
		CHECK_EQ(pc_table_next(f.table, &change, PATIENCE_MS), 1);
	while (change.kind != PC_CHANGE_EXITED || change.process.pid != puppet.pid);
	close_follower(&f);
}

static void use_parents_table(void *argument)
{
	struct follower *f = argument;
	struct pc_change change;
	struct pc_process process;
	uint64_t cursor = 0;
	CHECK_EQ(pc_table_next(f->table, &change, 0), -ECHILD);
	CHECK_EQ(pc_table_next(f->table, &change, -1), -ECHILD);
	CHECK_EQ(pc_table_check(f->table), -ECHILD);
	CHECK_EQ(pc_table_interrupt(f->table), -ECHILD);
	CHECK_EQ(pc_table_rescan(f->table), -ECHILD);
	CHECK_EQ(pc_table_get(f->table, getppid(), &process), 1);
	CHECK_EQ(process.pid, getppid());
	CHECK_EQ(pc_table_each(f->table, &cursor, &process), 1);
	CHECK_EQ(process.pid, 1);
	CHECK(pc_table_count(f->table) > 2);
	CHECK(table_stats(f).rcvbuf_bytes > 0);
	int fd = pc_table_fd(f->table);
	pc_table_close(f->table);
	CHECK_EQ(fcntl(fd, F_GETFD), -1);
}

PROMISE(fork, "a forked child can read its copy of the table and close it, and the parent's table goes on working")
{
	struct follower f = open_follower(TABLE_OPTIONS(.fields = 0));
	struct puppet puppet = start_puppet();
	order(&puppet, 'l');
	while (state_of(&f, puppet.pid) != PC_PROCESS_LEADER_GONE)
		hear(&f, 1);
	in_child(use_parents_table, &f);
	dismiss(&puppet, 'q');
	await_change(&f, PC_CHANGE_EXITED, puppet.pid);
	catch_up(&f);
	close_follower(&f);
}

/* name: of the wrong option; NULL: all are right, elsewhere. */
static void check_refused(const struct pc_table_options *options, int error, const char *name)
{
	int before = open_descriptors();
	struct pc_table *const untouched = (void *)&before, *table = untouched;
	CHECK_EQ(pc_table_open(&table, options), error);
	CHECK(table == untouched);
	CHECK_TEXT(pc_table_invalid_option(options), name);
	CHECK_EQ(open_descriptors(), before);
}

PROMISE(bad_options, "pc_table_open refuses bad options, and pc_table_invalid_option names them; nothing is written or left open")
{
	struct pc_table_options options = PC_TABLE_OPTIONS_INIT;
#define REFUSED(field, value, error)                                                               \
	options = (struct pc_table_options)PC_TABLE_OPTIONS_INIT;                                  \
	options.field = value;                                                                     \
	check_refused(&options, error, #field)
	REFUSED(size, 0, -EINVAL);
	REFUSED(size, offsetof(struct pc_table_options, max_watches) - 1, -EINVAL);
	REFUSED(size, SIZE_MAX, -E2BIG);
	REFUSED(size, 4097, -E2BIG);
	REFUSED(fields, 1u << 5, -EINVAL);
	REFUSED(fields, 1u << 31, -EINVAL);
	REFUSED(flags, 1u << 4, -EINVAL);
	REFUSED(flags, 1u << 31, -EINVAL);
	REFUSED(proc_fd, 1, -EINVAL);
	REFUSED(family, 1, -EINVAL);
	REFUSED(family, -1, -EINVAL);
	REFUSED(text_bytes, 8388609, -EINVAL);
	REFUSED(text_bytes, UINT32_MAX, -EINVAL);
	REFUSED(reserved, 1, -EINVAL);
	options = (struct pc_table_options)PC_TABLE_OPTIONS_INIT;
	options.flags = PC_TABLE_SUBSCRIBED;
	check_refused(&options, -EINVAL, NULL);
	options.flags = PC_TABLE_PROC_FD;
	options.proc_fd = -100; /* AT_FDCWD */
	check_refused(&options, -EBADF, NULL);
	REFUSED(rcvbuf_bytes, (uint32_t)INT_MAX + 1, -EINVAL);
	struct {
		struct pc_table_options options;
		unsigned char tail[16];
	} longer = { PC_TABLE_OPTIONS_INIT, { 0 } };
	longer.options.size = sizeof(longer);
	longer.tail[15] = 1;
	check_refused(&longer.options, -E2BIG, "size");
	longer.tail[15] = 0;
	struct pc_table *table;
	CHECK_EQ(pc_table_open(&table, &longer.options), 0);
	CHECK_TEXT(pc_table_invalid_option(&longer.options), NULL);
	CHECK_TEXT(pc_table_invalid_option(NULL), NULL);
	pc_table_close(table);
	CHECK_EQ(pc_table_open(&table, NULL), 0);
	pc_table_close(table);
}

PROMISE(bad_arguments, "the functions of a table return -EINVAL for NULLs and bad timeouts; an error or a 0 leaves the outputs untouched")
{
	struct follower f = open_follower(TABLE_OPTIONS(.fields = 0));
	struct pc_change change, old_change;
	struct pc_process process, old_process;
	struct pc_stats stats;
	uint64_t cursor = 0;
	memset(&change, 0xaa, sizeof(change));
	memset(&process, 0xaa, sizeof(process));
	old_change = change;
	old_process = process;
	CHECK_EQ(pc_table_open(NULL, NULL), -EINVAL);
	CHECK_EQ(pc_table_fd(NULL), -EINVAL);
	CHECK_EQ(pc_table_next(NULL, &change, 0), -EINVAL);
	CHECK_EQ(pc_table_next(f.table, NULL, 0), -EINVAL);
	CHECK_EQ(pc_table_next(f.table, &change, -2), -EINVAL);
	CHECK_EQ(pc_table_next(f.table, &change, INT_MIN), -EINVAL);
	CHECK_EQ(pc_table_get(NULL, 1, &process), -EINVAL);
	CHECK_EQ(pc_table_get(f.table, 1, NULL), -EINVAL);
	static const pid_t nobody[] = { 0, -1, INT_MIN, INT_MAX, 1 << 22, 1 << 24 };
	for (size_t i = 0; i < sizeof(nobody) / sizeof(nobody[0]); i++) {
		CHECK_EQ(pc_table_get(f.table, nobody[i], &process), 0);
		CHECK_EQ(pc_table_set_user(f.table, nobody[i], 1), -ESRCH);
	}
	CHECK_EQ(pc_table_each(NULL, &cursor, &process), -EINVAL);
	CHECK_EQ(pc_table_each(f.table, NULL, &process), -EINVAL);
	CHECK_EQ(pc_table_each(f.table, &cursor, NULL), -EINVAL);
	CHECK_EQ(cursor, 0);
	cursor = UINT64_MAX;
	CHECK_EQ(pc_table_each(f.table, &cursor, &process), 0);
	CHECK_EQ(pc_table_rescan(NULL), -EINVAL);
	CHECK_EQ(pc_table_set_user(NULL, 1, 1), -EINVAL);
	CHECK_EQ(pc_table_count(NULL), 0);
	CHECK_EQ(pc_table_check(NULL), -EINVAL);
	CHECK_EQ(pc_table_interrupt(NULL), -EINVAL);
	CHECK_EQ(pc_table_get_stats(NULL, &stats, sizeof(stats)), -EINVAL);
	CHECK_EQ(pc_table_get_stats(f.table, NULL, sizeof(stats)), -EINVAL);
	CHECK_EQ(pc_table_get_stats(f.table, &stats, sizeof(stats) - 1), -EINVAL);
	CHECK(memcmp(&change, &old_change, sizeof(change)) == 0);
	CHECK(memcmp(&process, &old_process, sizeof(process)) == 0);
	errno = 123;
	pc_table_close(NULL);
	CHECK_EQ(errno, 123);
	pc_table_close(f.table);
	CHECK_EQ(errno, 123);
	f.table = NULL;
	close_follower(&f);
}

PROMISE(descriptors, "a table has five descriptors besides those of its connector, and pc_table_close closes all")
{
	struct pc_connector *connector;
	struct pc_table *table;
	int before = open_descriptors();
	CHECK_EQ(pc_open(&connector, NULL), 0);
	int with_connector = open_descriptors();
	CHECK_EQ(pc_table_open(&table, NULL), 0);
	CHECK_EQ(open_descriptors() - with_connector, with_connector - before + 5);
	pc_table_close(table);
	CHECK_EQ(open_descriptors(), with_connector);
	pc_close(connector);
}
