/*
 * Follows all processes in an edge-triggered loop of epoll(7): after a wake-up, pc_table_next()
 * is called until it returns 0.
 *     cc epoll-edge.c -o epoll-edge $(pkg-config --cflags --libs proc_connector)
 */
#include <errno.h>
#include <proc_connector.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

static void show(const struct pc_change *change)
{
	char line[256]; /* No line is longer. */
	pc_change_format(change, line, sizeof(line));
	puts(line);
}

int main(void)
{
	enum { SIGNALS, TIMER, TABLE, COUNT };
	const struct itimerspec second = { .it_value.tv_sec = 1, .it_interval.tv_sec = 1 };
	struct pc_table *table = NULL;
	struct pc_change change;
	uint64_t ticks;
	sigset_t stop;
	setvbuf(stdout, NULL, _IOLBF, 0);
	sigemptyset(&stop);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGTERM);
	sigprocmask(SIG_BLOCK, &stop, NULL);

	int result = pc_table_open(&table, NULL), epoll = epoll_create1(EPOLL_CLOEXEC);
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	timerfd_settime(timer, 0, &second, NULL);
	const int fds[COUNT] = { signalfd(-1, &stop, SFD_CLOEXEC), timer, pc_table_fd(table) };
	for (uint32_t i = 0; i < COUNT && result >= 0; i++) {
		struct epoll_event interest = { .events = EPOLLIN | EPOLLET, .data.u32 = i };
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &interest) < 0)
			result = -errno;
	}
	struct epoll_event ready = { .data.u32 = COUNT };
	while (result >= 0 && ready.data.u32 != SIGNALS) {
		/* While the table has more, look at the other descriptors without waiting. */
		int count = epoll_wait(epoll, &ready, 1, result == 1 ? 0 : -1);
		/* Read the timer, so that it can wake the loop again. Does the kernel still report? */
		if (count == 1 && ready.data.u32 == TIMER && read(timer, &ticks, sizeof(ticks)) > 0)
			result = pc_table_check(table);
		if (result >= 0 && (result = pc_table_next(table, &change, 0)) == 1)
			show(&change);
	}
	if (result < 0)
		fprintf(stderr, "epoll-edge: %s\n", pc_strerror(result));
	pc_table_close(table);
	return result < 0;
}
