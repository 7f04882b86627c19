/* Runs a view: waits for its events, for signals, for keys and for the deadline. */
#include "pcwatch.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { CHECK_MS = 1000 };

static int epoll = -1;

static void fail(const char *what)
{
	complain(what, strerror(errno));
	exit(1);
}

void listen_to(int fd)
{
	struct epoll_event interest = { .events = EPOLLIN, .data.fd = fd };
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &interest) < 0)
		fail("epoll_ctl");
}

static void take_signal(void)
{
	struct signalfd_siginfo info;
	if (read(signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	switch (info.ssi_signo) {
	case SIGWINCH:
	case SIGTSTP:
	case SIGCONT: screen_signal((int)info.ssi_signo); break;
	case SIGHUP:
		if (options.append) {
			reopen_output();
			break;
		}
		/* fall through */
	default:
		if (!signal_job((int)info.ssi_signo, info.ssi_code > 0))
			stop(0);
		break;
	}
}

static void wait_until(uint64_t until_ns)
{
	uint64_t now = now_ns(), sleep_ns = now + options.spin_ns;
	struct epoll_event ready[4];
	int count = 0;
	for (; now < sleep_ns && now < until_ns && count == 0; now = now_ns())
		count = epoll_wait(epoll, ready, 4, 0);
	int timeout_ms = now < until_ns ? (int)((until_ns - now) / NS_PER_MS) + 1 : 0;
	if (count == 0)
		count = epoll_wait(epoll, ready, 4, timeout_ms);
	note_clocks();
	for (int i = 0; i < count; i++) {
		if (ready[i].data.fd == signal_fd)
			take_signal();
		else if (ready[i].data.fd == STDIN_FILENO && !screen_keys())
			stop(0);
	}
	if (now_ns() >= deadline_ns)
		stop(0);
}

/* Any user can make the kernel deaf. After the check repairs that, the view receives an overrun. */
static void check(const struct view *view)
{
	static int last_error;
	int error = view->check();
	if (error < 0 && error != last_error)
		complain("events may be missing", pc_strerror(error));
	last_error = error;
}

/* Tells the service manager that the loop still runs, and what systemctl(1) shows as the status. */
static void ping(const struct view *view)
{
	static uint64_t due_ns;
	struct pc_stats stats;
	uint64_t interval_ns = ping_interval_ns();
	if (!interval_ns || now_ns() < due_ns)
		return;
	due_ns = now_ns() + interval_ns;
	view->get_stats(&stats);
	notify("WATCHDOG=1\nSTATUS=%llu events received, %llu lost; %llu lines written, %llu dropped",
	       (unsigned long long)stats.received, (unsigned long long)stats.lost,
	       (unsigned long long)lines_made(), (unsigned long long)lines_dropped());
}

static uint64_t earliest(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static bool update_metrics(const struct view *view)
{
	struct pc_stats stats;
	view->get_stats(&stats);
	return write_metrics(&stats);
}

static void follow(const struct view *view)
{
	uint64_t flush_ns = NEVER;
	for (uint64_t check_ns = now_ns() + CHECK_MS * NS_PER_MS; running;) {
		uint64_t wake_ns = view->wake_ns ? view->wake_ns() : NEVER;
		wait_until(earliest(earliest(check_ns, deadline_ns), earliest(wake_ns, earliest(flush_ns, metrics_due_ns()))));
		if (running && now_ns() >= check_ns) {
			check(view);
			ping(view);
			check_ns = now_ns() + CHECK_MS * NS_PER_MS;
		}
		view->drain();
		flush_ns = flush_soon();
		if (announce_dropped())
			flush_ns = flush_soon();
		if (now_ns() >= metrics_due_ns())
			update_metrics(view);
	}
}

/*
 * The kernel may let a new program run on, and exit, before it runs the reader that it has woken. Returns
 * what the kernel has granted; NULL if nothing.
 */
static const char *ask_to_wake_soon(void)
{
	if (options.no_hurry)
		return NULL;
	int granted = pc_wake_soon(options.realtime ? PC_WAKE_REALTIME : PC_WAKE_SLICE);
	if (options.realtime && granted != PC_WAKE_REALTIME)
		complain("--realtime is not granted",
			 granted == PC_WAKE_SLICE ? "a short slice is granted instead"
			 : granted < 0		  ? pc_strerror(granted)
						  : "a short slice is not granted either");
	return granted == PC_WAKE_REALTIME ? "realtime" : granted == PC_WAKE_SLICE ? "slice" : NULL;
}

/* Returns the exit status. */
int run(const struct view *view)
{
	struct pc_stats stats;
	uint64_t start_ns = now_ns();
	prepare_output();
	if (prepare_signals(options.tree && on_terminal) < 0)
		fail("signalfd");
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0)
		fail("epoll_create1");
	listen_to(signal_fd);
	const char *wake = ask_to_wake_soon();
	int fd = view->open();
	if (fd < 0) {
		fprintf(stderr, NAME ": %s\n", pc_strerror(fd));
		return 1;
	}
	listen_to(fd);
	if (options.metrics && !update_metrics(view))
		return 1;
	if (options.seconds > 0)
		deadline_ns = start_ns + (uint64_t)(options.seconds * 1e9);
	show_header();
	flush();
	notify("READY=1");
	follow(view);
	notify("STOPPING=1");
	flush();
	screen_leave();
	view->get_stats(&stats);
	if (options.stats && !output_gone)
		show_totals(&stats, now_ns() - start_ns, wake);
	bool complete = finish_output() && !lines_unannounced();
	if (options.metrics)
		update_metrics(view);
	view->close(complete);
	return exit_status;
}
