#include "descriptors.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

static int usable(int fd, const char *what)
{
	if (fd < 0) {
		perror(what);
		exit(1);
	}
	return fd;
}

int stop_signals(void)
{
	sigset_t stop;
	sigemptyset(&stop);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGTERM);
	sigprocmask(SIG_BLOCK, &stop, NULL);
	return usable(signalfd(-1, &stop, SFD_CLOEXEC), "signalfd");
}

int seconds(void)
{
	struct itimerspec second = { .it_interval.tv_sec = 1, .it_value.tv_sec = 1 };
	int timer = usable(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), "timerfd");
	usable(timerfd_settime(timer, 0, &second, NULL), "timerfd");
	return timer;
}

void seconds_passed(int timer)
{
	uint64_t ticks;
	if (read(timer, &ticks, sizeof(ticks)) < 0)
		perror("timerfd");
}

void watch(int epoll, int fd, uint32_t events)
{
	struct epoll_event interest = { .events = events, .data.fd = fd };
	usable(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &interest), "epoll_ctl");
}
