/*
 * Follows all processes in a loop of poll(2).
 *     cc poll.c -o poll $(pkg-config --cflags --libs proc_connector)
 */
#include <errno.h>
#include <poll.h>
#include <proc_connector.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

static void show(const struct pc_change *change)
{
	char line[256]; /* No line is longer. */
	pc_change_format(change, line, sizeof(line));
	puts(line);
}

int main(void)
{
	enum { SIGNALS, TIMER, TABLE, COUNT };
	const struct itimerspec second = { .it_value.tv_sec = 1 };
	struct pc_table *table = NULL;
	struct pc_change change;
	sigset_t stop;
	setvbuf(stdout, NULL, _IOLBF, 0);
	sigemptyset(&stop);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGTERM);
	sigprocmask(SIG_BLOCK, &stop, NULL);

	int signals = signalfd(-1, &stop, SFD_CLOEXEC);
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	int result = signals < 0 || timer < 0 ? -errno : pc_table_open(&table, NULL);
	timerfd_settime(timer, 0, &second, NULL);
	struct pollfd ready[COUNT] = {
		[SIGNALS] = { .fd = signals, .events = POLLIN },
		[TIMER] = { .fd = timer, .events = POLLIN },
		[TABLE] = { .fd = pc_table_fd(table), .events = POLLIN },
	};
	while (result >= 0 && !ready[SIGNALS].revents) {
		poll(ready, COUNT, -1);
		/* One change per wake-up: the descriptor stays readable while there are more. */
		if (ready[TABLE].revents && (result = pc_table_next(table, &change, 0)) == 1)
			show(&change);
		if (ready[TIMER].revents && result >= 0) {
			timerfd_settime(timer, 0, &second, NULL);
			result = pc_table_check(table); /* Does the kernel still report? */
		}
	}
	if (result < 0)
		fprintf(stderr, "poll: %s\n", pc_strerror(result));
	pc_table_close(table);
	return result < 0;
}
