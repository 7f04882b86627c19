/*
 * Every system call and allocation of every operation is made to fail: at the first, the second, …
 * call, with each plausible error.
 */
#include "../c/support.h"
#include "interpose.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const int errors[] = { EPERM,	    EACCES,	     EINVAL,	   ENOMEM,  ENOBUFS,
			      EMFILE,	    ENFILE,	     EIO,	   ENOSYS,  EAGAIN,
			      EINTR,	    ECONNREFUSED,    ENOPROTOOPT,  ESRCH,   ECHILD,
			      EPIPE,	    E2BIG,	     EBADMSG,	   EBADF,   EPROTOTYPE,
			      EOPNOTSUPP,   ETIMEDOUT,	     ECANCELED,	   ENOSPC,  EPROTONOSUPPORT,
			      EAFNOSUPPORT, ENOENT };

/* What an operation is tried on. */
struct subject {
	struct pc_connector *pc;
	int fd; /* for pc_open_fd */
	bool disturbed; /* another listener repaired the kernel first */
};

struct operation {
	const char *name;
	void (*prepare)(struct subject *);
	int (*run)(struct subject *);
	void (*check)(struct subject *, int result);
	bool leaves_listener; /* the IGNORE may fail, or the count is changed on purpose */
};

static void report(const struct operation *operation, int call, int result)
{
	fprintf(stderr, "# %s, call %d (%s) fails with %d (%s), returned %d\n", operation->name,
		call, fault.function ? fault.function : "-", fault.error, strerror(fault.error),
		result);
}

enum verdict { FINE, DISTURBED, LEAKING };

/*
 * Whether what pc_strerror() says about this result is true: no argument was wrong, no namespace is
 * a foreign one, and the kernel reports.
 */
static bool explains(int result)
{
	const char *call = fault.function ? fault.function : "";
	bool is_file = strcmp(call, "openat") == 0 || strcmp(call, "read") == 0 ||
		       strcmp(call, "readlinkat") == 0;
	switch (-result) {
	case EINVAL:
	case E2BIG:
	case ENOSYS:
	case EOPNOTSUPP:
	case ETIMEDOUT:
	case EPROTOTYPE:
	case ECHILD:
	case EPIPE:
	case ECANCELED:
	case EBADMSG:
	case ENOBUFS:
		return false;
	case ESRCH: /* "no such process …" */
		return strcmp(call, "pidfd_open") == 0 && fault.error == ESRCH;
	case EACCES: /* "/proc …" */
		return is_file;
	case EPERM: /* "… a seccomp filter, an LSM …" */
		return !is_file && (fault.error == EPERM || fault.error == EACCES);
	case ECONNREFUSED: /* "… the initial network namespace …" */
		return strcmp(call, "sendto") == 0;
	case EPROTONOSUPPORT: /* "no netlink connector …" */
	case EAFNOSUPPORT: /* "netlink is forbidden …" */
		return strcmp(call, "socket") == 0;
	case ENOMEM:
		return fault.error == ENOMEM || fault.error == ENOBUFS || fault.error == ENOSPC ||
		       strcmp(call, "mmap") == 0 || strcmp(call, "posix_memalign") == 0;
	case EIO: /* "a system call failed unexpectedly …" */
		return true;
	default:
		return result >= 0 || -result == fault.error;
	}
}

/* One run with one fault, which is not hit if the operation makes fewer calls than that. */
static enum verdict run_with_fault(const struct operation *operation, int call, int error, bool *hit)
{
	struct subject subject = { .fd = -1 };
	int descriptors = open_descriptors(), listeners = count_listeners();
	operation->prepare(&subject);
	memset(&fault, 0, sizeof(fault));
	fault.countdown = call;
	fault.error = error;
	fault.armed = true;
	int result = operation->run(&subject);
	fault.armed = false;
	*hit = fault.hit;
	if (fault.hit && !explains(result)) {
		report(operation, call, result);
		fail(__FILE__, __LINE__, "\"%s\" is not true", pc_strerror(result));
	}
	operation->check(&subject, result);
	if (open_descriptors() != descriptors) {
		report(operation, call, result);
		fail(__FILE__, __LINE__, "a descriptor leaks");
	}
	if (operation->leaves_listener || count_listeners() == listeners)
		return subject.disturbed ? DISTURBED : FINE;
	report(operation, call, result);
	return LEAKING; /* or another listener repaired the kernel, which adds one */
}

/* False if the operation makes fewer calls than that. */
static bool try_fault(const struct operation *operation, int call, int error)
{
	bool hit;
	for (int trial = 0; trial < TRIALS; trial++)
		if (run_with_fault(operation, call, error, &hit) == FINE)
			return hit;
	fail(__FILE__, __LINE__, "a listener leaks, or a deaf kernel is not repaired");
}

static void check_operation(const struct operation *operation)
{
	int calls = 0;
	pc_close(open_connector(0, 0, 0)); /* whatever is done once per process */
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		for (calls = 0; try_fault(operation, calls, errors[i]); calls++)
			CHECK(calls < 200);
	printf("# %s: %d calls, each with %zu errors\n", operation->name, calls,
	       sizeof(errors) / sizeof(errors[0]));
	CHECK(calls > 0);
}

/* A handle must deliver what happens now, whatever happened to it before. */
static void check_works(struct pc_connector *pc)
{
	rename_self("still at work");
	struct pc_event event;
	do {
		int result = pc_recv(pc, &event, PATIENCE_MS);
		CHECK_EQ(result, 1);
	} while (event.kind != PC_EVENT_COMM || pc_event_tgid(&event) != getpid() ||
		 strcmp(event.data.comm.comm, "still at work") != 0);
	CHECK_EQ(pc_recv(pc, &event, 0) >= 0, 1);
}

static void prepare_nothing(struct subject *subject)
{
	(void)subject;
}

static int run_open(struct subject *subject)
{
	return pc_open(&subject->pc, NULL);
}

static void check_opened(struct subject *subject, int result)
{
	if (result == 0) {
		check_works(subject->pc);
		pc_close(subject->pc);
	} else {
		CHECK(result < 0 && subject->pc == NULL);
	}
}

PROMISE(open, "pc_open fails cleanly, whichever libc call fails")
{
	check_operation(&(struct operation){
		.name = "pc_open",
		.prepare = prepare_nothing,
		.run = run_open,
		.check = check_opened });
}

static void prepare_socket(struct subject *subject)
{
	subject->fd = raw_socket(true);
	CHECK_EQ(fcntl(subject->fd, F_SETFL, 0), 0);
	CHECK_EQ(fcntl(subject->fd, F_SETFD, 0), 0);
}

static int run_open_fd(struct subject *subject)
{
	return pc_open_fd(&subject->pc, subject->fd, NULL);
}

static void check_adopted(struct subject *subject, int result)
{
	check_opened(subject, result);
	if (result == 0)
		return;
	/* Still the caller's, open and blocking as it was. */
	CHECK_EQ(fcntl(subject->fd, F_GETFD), 0);
	CHECK_EQ(fcntl(subject->fd, F_GETFL) & O_NONBLOCK, 0);
	close(subject->fd);
}

PROMISE(open_fd, "pc_open_fd fails cleanly, whichever libc call fails, and the descriptor stays the caller's")
{
	check_operation(&(struct operation){
		.name = "pc_open_fd",
		.prepare = prepare_socket,
		.run = run_open_fd,
		.check = check_adopted });
}

enum { QUEUED = 30 };

static void prepare_queue(struct subject *subject)
{
	subject->pc = open_connector(PC_MASK_COMM, 0, 8192);
	flood(QUEUED);
}

static int receive_all(struct subject *subject, size_t batch)
{
	struct pc_event events[64];
	uint64_t seen = 0, lost = 0;
	int result, error = 0;
	for (int errors_seen = 0; errors_seen < 2;) {
		result = batch == 1 ? pc_recv(subject->pc, events, 1)
				    : pc_recv_many(subject->pc, events, batch, 1);
		if (result == 0)
			break;
		if (result < 0) {
			error = result;
			errors_seen++;
			continue;
		}
		for (int i = 0; i < result; i++)
			if (events[i].kind == PC_EVENT_OVERRUN)
				lost += events[i].data.overrun.lost;
			else
				seen++;
	}
	/* A fault costs one error at most, and no event. */
	struct pc_stats stats = stats_of(subject->pc);
	CHECK_EQ(stats.received, seen);
	CHECK_EQ(stats.lost, lost);
	CHECK(seen + lost >= QUEUED);
	return error;
}

static int run_receive(struct subject *subject)
{
	return receive_all(subject, 1);
}

static int run_receive_many(struct subject *subject)
{
	return receive_all(subject, 64);
}

static void check_handle(struct subject *subject, int result)
{
	/* No answer means that the kernel is deaf. */
	CHECK(result <= 0 || (result == 1 && fault.error == EAGAIN));
	check_works(subject->pc);
	pc_close(subject->pc);
}

PROMISE(recv, "pc_recv loses nothing, whichever libc call fails")
{
	check_operation(&(struct operation){
		.name = "pc_recv",
		.prepare = prepare_queue,
		.run = run_receive,
		.check = check_handle });
}

PROMISE(recv_many, "pc_recv_many loses nothing, whichever libc call fails")
{
	check_operation(&(struct operation){
		.name = "pc_recv_many",
		.prepare = prepare_queue,
		.run = run_receive_many,
		.check = check_handle });
}

static void prepare_handle(struct subject *subject)
{
	subject->pc = open_connector(PC_MASK_COMM, 0, 0);
}

static int run_set_filter(struct subject *subject)
{
	struct pc_options filter = PC_OPTIONS_INIT;
	filter.events = PC_MASK_SID;
	return pc_set_filter(subject->pc, &filter);
}

static void check_filter(struct subject *subject, int result)
{
	if (result == 0) {
		rename_self("unwanted");
		struct pc_event event;
		while (pc_recv(subject->pc, &event, 0) == 1)
			CHECK(event.kind != PC_EVENT_COMM);
		CHECK_EQ(pc_set_filter(subject->pc, NULL), 0);
	}
	check_handle(subject, result);
}

PROMISE(set_filter, "pc_set_filter changes all or nothing, whichever libc call fails")
{
	check_operation(&(struct operation){
		.name = "pc_set_filter",
		.prepare = prepare_handle,
		.run = run_set_filter,
		.check = check_filter });
}

static int run_unsubscribe(struct subject *subject)
{
	return pc_unsubscribe(subject->pc);
}

static void check_unsubscribed(struct subject *subject, int result)
{
	if (result == 0)
		CHECK_EQ(pc_subscribe(subject->pc), 0);
	check_handle(subject, result);
}

PROMISE(unsubscribe, "pc_unsubscribe pauses or goes on, whichever libc call fails")
{
	check_operation(&(struct operation){
		.name = "pc_unsubscribe",
		.prepare = prepare_handle,
		.run = run_unsubscribe,
		.check = check_unsubscribed });
}

static void prepare_paused(struct subject *subject)
{
	prepare_handle(subject);
	CHECK_EQ(pc_unsubscribe(subject->pc), 0);
}

static int run_subscribe(struct subject *subject)
{
	return pc_subscribe(subject->pc);
}

static void check_subscribed(struct subject *subject, int result)
{
	if (result < 0) {
		/* Still paused. */
		struct pc_event event;
		rename_self("unheard");
		while (pc_recv(subject->pc, &event, 0) == 1)
			CHECK(pc_event_tgid(&event) != getpid());
		CHECK_EQ(pc_subscribe(subject->pc), 0);
	}
	check_handle(subject, result);
}

PROMISE(subscribe, "pc_subscribe resumes or stays paused, whichever libc call fails")
{
	check_operation(&(struct operation){
		.name = "pc_subscribe",
		.prepare = prepare_paused,
		.run = run_subscribe,
		.check = check_subscribed });
}

static int run_check(struct subject *subject)
{
	return pc_check(subject->pc);
}

PROMISE(check, "pc_check fails cleanly, whichever libc call fails")
{
	check_operation(&(struct operation){
		.name = "pc_check",
		.prepare = prepare_handle,
		.run = run_check,
		.check = check_handle });
}

static void prepare_deaf(struct subject *subject)
{
	prepare_handle(subject);
	deafen();
}

static void check_repaired(struct subject *subject, int result)
{
	/* What one call could not do, the next does; and what it found is not forgotten. */
	int repaired = result == 1 ? 1 : pc_check(subject->pc);
	if (repaired == 0) {
		subject->disturbed = true;
		pc_close(subject->pc);
		return;
	}
	CHECK_EQ(repaired, 1);
	rename_self("repaired");
	struct pc_event event;
	CHECK_EQ(pc_recv(subject->pc, &event, 0), 1);
	CHECK_EQ(event.kind, PC_EVENT_OVERRUN);
	CHECK_EQ(event.data.overrun.reason, PC_LOST_DEAF);
	while (pc_recv(subject->pc, &event, PATIENCE_MS) == 1)
		if (event.kind == PC_EVENT_COMM && pc_event_tgid(&event) == getpid())
			break;
	CHECK_EQ(event.kind, PC_EVENT_COMM);
	pc_close(subject->pc);
}

PROMISE(repair, "a repair that a fault interrupts is completed by the next pc_check")
{
	check_operation(&(struct operation){
		.name = "pc_check (deaf)",
		.prepare = prepare_deaf,
		.run = run_check,
		.check = check_repaired,
		.leaves_listener = true });
}

static int run_close(struct subject *subject)
{
	errno = 123;
	pc_close(subject->pc);
	CHECK_EQ(errno, 123);
	return 0;
}

static void check_closed(struct subject *subject, int result)
{
	(void)subject;
	CHECK_EQ(result, 0);
}

PROMISE(close, "pc_close closes and keeps errno, whichever libc call fails")
{
	check_operation(&(struct operation){
		.name = "pc_close",
		.prepare = prepare_handle,
		.run = run_close,
		.check = check_closed,
		.leaves_listener = true });
}

static int run_alive(struct subject *subject)
{
	(void)subject;
	return pc_process_alive(getpid());
}

static int run_read(struct subject *subject)
{
	struct pc_process process;
	(void)subject;
	return pc_process_read(getpid(), &process);
}

static int run_wake(struct subject *subject)
{
	(void)subject;
	return pc_wake_soon(PC_WAKE_SLICE);
}

static void check_woken(struct subject *subject, int result)
{
	(void)subject;
	CHECK(result <= PC_WAKE_SLICE);
}

PROMISE(wake, "pc_wake_soon says what is in force or explains why not, whichever libc call fails")
{
	check_operation(&(struct operation){
		.name = "pc_wake_soon",
		.prepare = prepare_nothing,
		.run = run_wake,
		.check = check_woken });
}

static void check_looked(struct subject *subject, int result)
{
	(void)subject;
	CHECK(result == 1 || result < 0);
}

PROMISE(alive, "pc_process_alive finds the process or explains why not, whichever libc call fails")
{
	check_operation(&(struct operation){
		.name = "pc_process_alive",
		.prepare = prepare_nothing,
		.run = run_alive,
		.check = check_looked });
}

PROMISE(read, "pc_process_read reads the process or explains why not, whichever libc call fails")
{
	check_operation(&(struct operation){
		.name = "pc_process_read",
		.prepare = prepare_nothing,
		.run = run_read,
		.check = check_looked });
}

enum { TEXTS = 5 };

static struct pc_text texts[TEXTS];
static char buffers[TEXTS][4096];

/* The inode by which this process is identified; 0: by the pid. */
static uint64_t known_inode;

static int read_texts(void)
{
	for (uint32_t i = 0; i < TEXTS; i++) {
		memset(buffers[i], '#', sizeof(buffers[i]));
		texts[i] = (struct pc_text){ PC_TEXT_COMMAND_LINE + i, 77, buffers[i],
					     sizeof(buffers[i]), 77 };
	}
	/* This one has to be counted to its end. */
	texts[0].size = 1;
	struct pc_process self = { .pid = getpid(), .pidfd_inode = known_inode };
	return known_inode ? pc_process_texts_of(&self, texts, TEXTS) : pc_process_texts(getpid(), 0, texts, TEXTS);
}

static int run_texts(struct subject *subject)
{
	(void)subject;
	return read_texts();
}

/* Each text is whole, or empty with an error that explains the fault. */
static void check_texts(struct subject *subject, int result)
{
	struct pc_text read[TEXTS];
	static char known[TEXTS][4096];
	(void)subject;
	CHECK(result <= 0);
	memcpy(read, texts, sizeof(read));
	memcpy(known, buffers, sizeof(known));
	CHECK_EQ(read_texts(), 0);
	for (int i = 0; i < TEXTS; i++) {
		CHECK_EQ(texts[i].error, 0);
		CHECK(result == 0 || read[i].error == result);
		if (read[i].error != 0) {
			CHECK(fault.hit && explains(read[i].error));
			CHECK_EQ(read[i].length, 0);
			CHECK_EQ(known[i][0], '\0');
		} else {
			CHECK_EQ(read[i].length, texts[i].length);
			CHECK(strcmp(known[i], buffers[i]) == 0);
		}
	}
}

PROMISE(texts, "pc_process_texts gives each text or explains why not, whichever libc call fails")
{
	check_operation(&(struct operation){
		.name = "pc_process_texts",
		.prepare = prepare_nothing,
		.run = run_texts,
		.check = check_texts });
}

PROMISE(texts_of, "pc_process_texts_of gives each text or explains why not, whichever libc call fails")
{
	struct stat status;
	int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (pidfd < 0)
		skip("pidfds take Linux 5.3");
	CHECK_EQ(fstat(pidfd, &status), 0);
	close(pidfd);
	known_inode = status.st_ino; /* before Linux 6.9, all pidfds share one, which is enough here */
	check_operation(&(struct operation){
		.name = "pc_process_texts_of",
		.prepare = prepare_nothing,
		.run = run_texts,
		.check = check_texts });
}
