/*
 * pcpolicyd gives programs the nice value and the cgroup that a file asks for, when they start.
 *
 *     pcpolicyd [-bW] [-u USER] FILE
 *
 *     -b       go into the background; until the daemon is ready, errors reach the terminal and the
 *              exit status
 *     -u USER  become USER, with only CAP_SYS_NICE, once the table of processes is open
 *     -W       do not ask the kernel to run the daemon soon after an event wakes it
 *
 * SIGHUP makes the daemon read FILE again; SIGTERM and SIGINT stop it. RCVBUF_BYTES in the
 * environment is the budget of the event queue.
 *
 * The daemon applies FILE to a process that starts, runs a new program or takes another name. A value
 * that is set by hand afterwards stays, even through a loss of events. When the daemon starts, and on
 * SIGHUP, it applies FILE to every process, and overwrites values that were set by hand.
 *
 * A rule names a program by the name of its process, or else by the first word of its command line.
 * So a program that renames itself, as programs under Wine do, is found by either name. A process
 * chooses both names itself, so FILE is no protection against programs that pretend to be others.
 *
 * Children inherit the values of a process. The daemon also gives the values to children that the
 * process forked before, unless they have other values or a rule of their own. If the process ran
 * another program or had another name before, only children that it forked at least 10 ms after the
 * change get the values. (10 ms is the precision of start times in /proc.)
 */
#include "pcpolicyd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

static int open_signals(void)
{
	sigset_t taken;
	sigemptyset(&taken);
	sigaddset(&taken, SIGHUP);
	sigaddset(&taken, SIGINT);
	sigaddset(&taken, SIGTERM);
	sigprocmask(SIG_BLOCK, &taken, NULL);
	return require(signalfd(-1, &taken, SFD_CLOEXEC), "signalfd");
}

static int open_seconds(void)
{
	struct itimerspec every = { .it_interval.tv_sec = 1, .it_value.tv_sec = 1 };
	int fd = require(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), "timerfd_create");
	require(timerfd_settime(fd, 0, &every, NULL), "timerfd_settime");
	return fd;
}

/* The service manager does not expect RELOADING=1 before READY=1. */
static void reload(const char *file)
{
	if (ready)
		notify("RELOADING=1");
	if (policy_read(file))
		processes_apply_again();
	if (ready)
		notify("READY=1");
}

static void run(int table, int seconds, int signals, const char *file)
{
	struct pollfd sources[] = {
		{ .fd = table, .events = POLLIN },
		{ .fd = seconds, .events = POLLIN },
		{ .fd = signals, .events = POLLIN },
	};
	for (;;) {
		uint64_t ticks;
		struct signalfd_siginfo signal;
		if (poll(sources, 3, -1) < 0)
			continue; /* EINTR: a SIGSTOP and a SIGCONT interrupted poll() */
		if (sources[0].revents)
			processes_follow();
		if (sources[1].revents && read(seconds, &ticks, sizeof(ticks)) > 0) {
			processes_check();
			notify("WATCHDOG=1");
		}
		if (sources[2].revents && read(signals, &signal, sizeof(signal)) > 0) {
			if (signal.ssi_signo != SIGHUP)
				return;
			reload(file);
		}
	}
}

int main(int argc, char **argv)
{
	/* Descriptors that are opened later must not become stdin, stdout or stderr. */
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return 1;
	const char *user = NULL;
	bool wake_soon = true;
	for (int option; (option = getopt(argc, argv, "bu:W")) != -1;) {
		if (option == 'b')
			in_background = true;
		else if (option == 'u')
			user = optarg;
		else if (option == 'W')
			wake_soon = false;
		else
			return 2;
	}
	if (argc - optind != 1) {
		fprintf(stderr, "Usage: pcpolicyd [-bW] [-u USER] FILE\n");
		return 2;
	}
	char *file = realpath(argv[optind], NULL); /* -b leaves the working directory */
	if (!file)
		fail(argv[optind], strerror(errno));
	if (!policy_read(file))
		return 1;
	if (in_background)
		background_start();
	int signals = open_signals(), seconds = open_seconds();
	if (wake_soon)
		processes_wake_soon();
	int table = processes_open(user);
	run(table, seconds, signals, file);
	notify("STOPPING=1");
	processes_close();
	return 0;
}
