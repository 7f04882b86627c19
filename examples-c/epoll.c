/*
 * A daemon's loop: process events beside a timer and signals in one epoll set. It counts the
 * processes of the machine, and stops on SIGINT or SIGTERM.
 *
 * It shows how to live with overload: the events taken per wake-up are limited, so that the timer
 * and the signals get their turn; and after a loss the picture is doubtful until /proc is read anew.
 */
#include <dirent.h>
#include <proc_connector.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, BATCHES_PER_WAKE_UP = 16, RESCAN_AFTER_MS = 100 };

struct picture {
	long processes;
	long started;
	bool doubtful;
	long scanned_ms; /* or marked as doubtful */
};

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static long now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000L + now.tv_nsec / 1000000L;
}

/* What the events are the changes to. A zombie's EXIT may have come already: it does not count. */
static void rescan(struct picture *picture)
{
	DIR *proc = opendir("/proc");
	if (!proc)
		fail("/proc");
	picture->processes = 0;
	for (struct dirent *entry; (entry = readdir(proc)) != NULL;) {
		int pid = atoi(entry->d_name);
		picture->processes += pid > 0 && pc_process_alive(pid) > 0;
	}
	closedir(proc);
	picture->scanned_ms = now_ms();
	printf("%ld processes\n", picture->processes);
}

static void take(struct picture *picture, const struct pc_event *event)
{
	switch (event->kind) {
	case PC_EVENT_FORK:
		picture->started++;
		picture->processes++;
		break;
	case PC_EVENT_EXIT:
		/* Where other threads live on, this was not the end of the process. */
		if (pc_process_alive(event->data.exit.tgid) != 2)
			picture->processes--;
		break;
	case PC_EVENT_OVERRUN:
		printf("lost %llu events\n", (unsigned long long)event->data.overrun.lost);
		if (!picture->doubtful)
			picture->scanned_ms = now_ms();
		picture->doubtful = true;
		break;
	default:
		break;
	}
}

static void drain(struct pc_connector *pc, struct picture *picture)
{
	struct pc_event events[BATCH];
	for (int batch = 0; batch < BATCHES_PER_WAKE_UP; batch++) {
		int count = pc_recv_many(pc, events, BATCH, 0);
		if (count < 0) {
			fprintf(stderr, "epoll: %s\n", pc_strerror(count));
			exit(1);
		}
		for (int i = 0; i < count; i++)
			take(picture, &events[i]);
		if (count == 0) {
			if (picture->doubtful)
				rescan(picture);
			picture->doubtful = false;
			return;
		}
	}
	/*
	 * A flood: do not wait for its end. What is left makes the descriptor readable again; it may
	 * be older than the loss, so that the picture stays doubtful.
	 */
	if (picture->doubtful && now_ms() - picture->scanned_ms > RESCAN_AFTER_MS)
		rescan(picture);
}

static void watch(int epoll, int fd)
{
	struct epoll_event interest = { .events = EPOLLIN, .data.fd = fd };
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &interest) < 0)
		fail("epoll_ctl");
}

int main(void)
{
	sigset_t stop;
	sigemptyset(&stop);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGTERM);
	sigprocmask(SIG_BLOCK, &stop, NULL);
	setvbuf(stdout, NULL, _IOLBF, 0);

	struct pc_options options = PC_OPTIONS_INIT;
	options.events = PC_MASK_FORK | PC_MASK_EXIT;
	options.flags = PC_FILTER_NO_THREADS;
	struct pc_connector *pc;
	int result = pc_open(&pc, &options);
	if (result < 0) {
		fprintf(stderr, "epoll: %s\n", pc_strerror(result));
		return 1;
	}

	int signals = signalfd(-1, &stop, SFD_CLOEXEC);
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct itimerspec second = { .it_interval.tv_sec = 1, .it_value.tv_sec = 1 };
	if (signals < 0 || timer < 0 || epoll < 0 || timerfd_settime(timer, 0, &second, NULL) < 0)
		fail("epoll");
	watch(epoll, pc_fd(pc));
	watch(epoll, signals);
	watch(epoll, timer);

	struct picture picture = { 0 };
	rescan(&picture);
	for (bool running = true; running;) {
		struct epoll_event ready[3];
		int count = epoll_wait(epoll, ready, 3, -1);
		for (int i = 0; i < count; i++) {
			if (ready[i].data.fd == pc_fd(pc)) {
				drain(pc, &picture);
			} else if (ready[i].data.fd == timer) {
				uint64_t ticks;
				if (read(timer, &ticks, sizeof(ticks)) < 0)
					fail("timer");
				printf("%ld started, %ld now\n", picture.started, picture.processes);
				/* The kernel can be made deaf; then an OVERRUN waits in the stream. */
				if (pc_check(pc) == 1)
					drain(pc, &picture);
			} else {
				running = false;
			}
		}
	}
	close(epoll);
	close(timer);
	close(signals);
	pc_close(pc);
	puts("stopped");
	return 0;
}
