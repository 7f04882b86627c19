/* The loop that drives a view: its events, signals, the deadline, and output that may be stuck. */
#include "watch.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

enum { CHECK_MS = 1000 };

bool running = true;
int result;
static bool output_gone;
static int signals = -1, epoll = -1;
static uint64_t deadline_ns = NEVER;

uint64_t clock_ns(int clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

void complain(const char *what, const char *why)
{
	screen_leave();
	fprintf(stderr, "%s: %s: %s\n", NAME, what, why);
}

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

/* A reader that has ceased to read must not keep us from our signals and from our deadline. */
bool may_write(void)
{
	if (output_gone)
		return false;
	struct pollfd fds[] = { { STDOUT_FILENO, POLLOUT, 0 }, { signals, POLLIN, 0 } };
	do {
		poll(fds, 2, 100);
		if (fds[0].revents & (POLLERR | POLLHUP))
			break;
		if (fds[0].revents)
			return true;
	} while (!fds[1].revents && now_ns() < deadline_ns);
	running = false;
	output_gone = true;
	return false;
}

static void flush(void)
{
	errno = EIO;
	if (!may_write() || (fflush(stdout) == 0 && !ferror(stdout)))
		return;
	running = false;
	output_gone = true;
	if (errno != EPIPE) {
		complain("stdout", strerror(errno));
		result = 1;
	}
}

static void take_signal(void)
{
	struct signalfd_siginfo info;
	if (read(signals, &info, sizeof(info)) != sizeof(info))
		return;
	switch (info.ssi_signo) {
	case SIGWINCH:
	case SIGTSTP:
	case SIGCONT: screen_signal((int)info.ssi_signo); break;
	default: running = false; break;
	}
}

static void wait_until(uint64_t until_ns)
{
	uint64_t now = now_ns();
	int timeout_ms = now < until_ns ? (int)((until_ns - now) / NS_PER_MS) + 1 : 0;
	struct epoll_event ready[4];
	int count = epoll_wait(epoll, ready, 4, timeout_ms);
	for (int i = 0; i < count; i++) {
		if (ready[i].data.fd == signals)
			take_signal();
		else if (ready[i].data.fd == STDIN_FILENO)
			screen_keys();
	}
	if (now_ns() >= deadline_ns)
		running = false;
}

static void check(const struct view *view)
{
	/* Any user can make the kernel deaf. If this repairs it, the view hears of a loss. */
	static int last_error;
	int error = view->check();
	if (error < 0 && error != last_error)
		complain("events may be missing", pc_strerror(error));
	last_error = error;
}

static uint64_t earliest(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void follow(const struct view *view)
{
	for (uint64_t check_ns = now_ns() + CHECK_MS * NS_PER_MS; running;) {
		uint64_t wake_ns = view->wake_ns ? view->wake_ns() : NEVER;
		wait_until(earliest(earliest(check_ns, deadline_ns), wake_ns));
		if (running && now_ns() >= check_ns) {
			check(view);
			check_ns = now_ns() + CHECK_MS * NS_PER_MS;
		}
		view->drain();
		flush();
	}
}

static void prepare_signals(void)
{
	static const int TAKEN[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP, SIGCONT };
	/* Only who changes the terminal has to take the others. */
	size_t count = options.tree && on_terminal ? sizeof(TAKEN) / sizeof(*TAKEN) : 2;
	sigset_t taken;
	sigemptyset(&taken);
	for (size_t i = 0; i < count; i++)
		sigaddset(&taken, TAKEN[i]);
	sigprocmask(SIG_BLOCK, &taken, NULL);
	signal(SIGPIPE, SIG_IGN);
	signals = signalfd(-1, &taken, SFD_CLOEXEC);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (signals < 0 || epoll < 0)
		fail("signalfd or epoll");
	listen_to(signals);
}

int run(const struct view *view)
{
	struct pc_stats stats;
	uint64_t start_ns = now_ns();
	prepare_output();
	prepare_signals();
	int fd = view->open();
	if (fd < 0) {
		fprintf(stderr, "%s: %s\n", NAME, pc_strerror(fd));
		return 1;
	}
	listen_to(fd);
	if (options.seconds > 0)
		deadline_ns = start_ns + (uint64_t)(options.seconds * 1e9);
	show_header();
	flush();
	follow(view);
	flush();
	screen_leave();
	view->get_stats(&stats);
	if (options.stats && !output_gone)
		show_totals(&stats, now_ns() - start_ns);
	flush();
	view->close();
	return result;
}
