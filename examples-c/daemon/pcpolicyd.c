/*
 * A complete daemon: gives every program that is started the nice value and the cgroup that a file
 * asks for.
 *
 *     pcpolicyd [-b] [-u USER] FILE
 *
 *     -b       into the background; errors until it is ready reach the terminal and the exit status
 *     -u USER  once open, become this user, with CAP_SYS_NICE alone
 *
 * RCVBUF_BYTES in the environment is the queue's budget.
 *
 * SIGTERM ends it. SIGUSR1 ends it, too, but leaves its socket to its successor in the service
 * manager's FD store, so that nothing is missed in between: see pcpolicyd.service.
 */
#include "background.h"
#include "policy.h"
#include "privileges.h"
#include "service.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <proc_connector.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, BATCHES_PER_WAKE_UP = 16, RESCAN_AFTER_MS = 100 };
#define STORED_AS "process-events"

static bool detached; /* in the background, without a terminal */
static bool doubtful; /* events were missed */
static long scanned_ms; /* or, if that is later, became doubtful */

__attribute__((format(printf, 1, 2))) static void report(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	if (detached)
		vsyslog(LOG_NOTICE, format, arguments);
	else
		vfprintf(stderr, format, arguments);
	va_end(arguments);
}

static void fail(const char *what, const char *why)
{
	report("pcpolicyd: %s: %s\n", what, why);
	exit(1);
}

static long now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000L + now.tv_nsec / 1000000L;
}

/* ---- The policy ---- */

static void apply(pid_t pid, const char *occasion)
{
	int result = policy_apply(pid);
	if (result < 0)
		report("%s: %d (%s) cannot be given what it should have: %s\n", occasion, pid,
		       policy_name, strerror(-result));
	else if (result != 0)
		report("%s:%s%s %d (%s)\n", occasion, result & POLICY_RENICED ? " reniced" : "",
		       result & POLICY_MOVED ? " moved" : "", pid, policy_name);
}

/* The policy is about what runs, so that it can be applied without having seen the exec. */
static void rescan(void)
{
	DIR *proc = opendir("/proc");
	if (!proc)
		fail("/proc", "cannot be read");
	for (struct dirent *entry; (entry = readdir(proc)) != NULL;) {
		int pid = atoi(entry->d_name);
		if (pid > 0)
			apply(pid, "scan");
	}
	closedir(proc);
	scanned_ms = now_ms();
}

static void doubt(void)
{
	if (!doubtful)
		scanned_ms = now_ms();
	doubtful = true;
}

/* Takes a limited number of events: the rest makes the next wake-up. */
static void drain(struct pc_connector *pc)
{
	struct pc_event events[BATCH];
	int count = 1;
	for (int batch = 0; count > 0 && batch < BATCHES_PER_WAKE_UP; batch++) {
		count = pc_recv_many(pc, events, BATCH, 0);
		if (count < 0)
			fail("pc_recv_many", pc_strerror(count));
		for (int i = 0; i < count; i++) {
			if (events[i].kind == PC_EVENT_EXEC)
				apply(events[i].data.exec.tgid, "exec");
			else if (events[i].kind == PC_EVENT_OVERRUN)
				doubt();
		}
	}
	if (doubtful && (count == 0 || now_ms() - scanned_ms > RESCAN_AFTER_MS))
		rescan();
	if (count == 0)
		doubtful = false;
}

/* ---- The socket ---- */

static struct pc_connector *open_events(void)
{
	struct pc_options options = PC_OPTIONS_INIT;
	options.events = PC_MASK_EXEC;
	const char *budget = getenv("RCVBUF_BYTES");
	options.rcvbuf_bytes = budget ? (uint32_t)strtoul(budget, NULL, 10) : 0;
	struct pc_connector *pc;
	int stored = service_stored(STORED_AS);
	if (stored >= 0) {
		options.flags = PC_OPEN_SUBSCRIBED;
		int result = pc_open_fd(&pc, stored, &options);
		if (result == 0) {
			report("goes on with its predecessor's socket\n");
			doubt();
			return pc;
		}
		report("cannot adopt its predecessor's socket: %s\n", pc_strerror(result));
		close(stored);
		service_notify("FDSTOREREMOVE=1\nFDNAME=" STORED_AS, -1);
		options.flags = 0;
	}
	int result = pc_open(&pc, &options);
	if (result < 0)
		fail("cannot open", pc_strerror(result));
	doubt(); /* what runs already has not been seen */
	return pc;
}

/* FDPOLL=0: that it is readable is not for the manager to know. */
static void hand_over(struct pc_connector *pc)
{
	if (service_notify("FDSTORE=1\nFDPOLL=0\nFDNAME=" STORED_AS, pc_fd(pc))) {
		close(pc_release(pc));
	} else {
		report("no service manager keeps the socket\n");
		pc_close(pc);
	}
}

/* ---- The loop ---- */

static int run(struct pc_connector *pc, int signals, int second)
{
	struct pollfd ready[] = {
		{ .fd = pc_fd(pc), .events = POLLIN },
		{ .fd = second, .events = POLLIN },
		{ .fd = signals, .events = POLLIN },
	};
	drain(pc);
	for (;;) {
		poll(ready, 3, -1);
		if (ready[0].revents)
			drain(pc);
		if (ready[1].revents) {
			uint64_t ticks;
			if (read(second, &ticks, sizeof(ticks)) < 0)
				fail("timerfd", strerror(errno));
			/* The kernel can be made deaf; then an OVERRUN waits in the stream. */
			if (pc_check(pc) == 1 || doubtful)
				drain(pc);
			service_notify("WATCHDOG=1", -1);
		}
		struct signalfd_siginfo signal;
		if (ready[2].revents && read(signals, &signal, sizeof(signal)) == sizeof(signal))
			return (int)signal.ssi_signo;
	}
}

int main(int argc, char **argv)
{
	/* What is opened here must not become stdin, stdout or stderr. */
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return 1;
	const char *user = NULL;
	bool in_background = false;
	for (int option; (option = getopt(argc, argv, "bu:")) != -1;) {
		if (option == 'b')
			in_background = true;
		else if (option == 'u')
			user = optarg;
		else
			return 2;
	}
	if (argc - optind != 1) {
		fprintf(stderr, "Usage: pcpolicyd [-b] [-u USER] FILE\n");
		return 2;
	}
	policy_read(argv[optind]);

	sigset_t ends;
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGUSR1);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	if (in_background)
		background_start(); /* before the handle, which belongs to the process that opens it */

	struct itimerspec every = { .it_interval.tv_sec = 1, .it_value.tv_sec = 1 };
	int signals = signalfd(-1, &ends, SFD_CLOEXEC);
	int second = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	if (signals < 0 || second < 0 || timerfd_settime(second, 0, &every, NULL) < 0)
		fail("descriptors", strerror(errno));

	/* While we may: CAP_NET_ADMIN is for Linux before 6.6, and for a queue beyond rmem_max. */
	struct pc_connector *pc = open_events();
	privileges_keep_only(CAP_SYS_NICE, user);
	service_notify("READY=1", -1);
	if (in_background)
		background_ready();
	detached = in_background;

	if (run(pc, signals, second) == SIGUSR1) {
		hand_over(pc);
	} else {
		service_notify("STOPPING=1", -1);
		pc_close(pc);
	}
	close(second);
	close(signals);
	return 0;
}
