/*
 * Follows all processes from events only, without a table: the recipe that proc_connector.h calls
 * "Recovery". A program that can use pc_table_open() needs none of this.
 *     cc recovery.c -o recovery $(pkg-config --cflags --libs proc_connector)
 */
#include <dirent.h>
#include <errno.h>
#include <proc_connector.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PIDS = 1 << 22 }; /* the kernel's PID_MAX_LIMIT */
enum { GONE = 0, ALIVE = 1, LEADER_GONE = 2 }; /* what pc_process_alive() returns */
static unsigned char picture[PIDS]; /* by pid: one of these values */

static int doubtful; /* The picture may be wrong, because events were lost. */
static uintmax_t lost; /* how many events were lost */

static struct pc_connector *pc;
static volatile sig_atomic_t stopping;

static void stop(int signal)
{
	stopping = signal;
	pc_interrupt(pc);
}

static long now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (long)now.tv_sec * 1000 + (long)now.tv_nsec / 1000000;
}

/* Returns GONE, ALIVE or LEADER_GONE. After an error, it is not known whether the process exited. */
static int look_up(pid_t pid)
{
	int alive = pc_process_alive(pid);
	return alive == -ESRCH ? GONE : alive; /* the pid is now the id of a thread */
}

static int read_proc(void)
{
	static unsigned char now[PIDS];
	struct dirent *entry;
	int alive = look_up(1); /* If /proc hides this process, it hides others, too. */
	DIR *proc = opendir("/proc");
	if (!proc)
		return -errno;
	memset(now, GONE, sizeof(now));
	while (alive >= 0 && (entry = readdir(proc)) != NULL) {
		int pid = atoi(entry->d_name);
		if (pid > 0 && pid < PIDS && (alive = look_up(pid)) >= 0)
			now[pid] = (unsigned char)alive;
	}
	closedir(proc);
	if (alive < 0)
		return alive;
	for (int pid = 1; pid < PIDS; pid++)
		if ((picture[pid] == GONE) != (now[pid] == GONE))
			printf("%s %d\n", now[pid] == GONE ? "vanished" : "found", pid);
	memcpy(picture, now, sizeof(picture));
	return 0;
}

/*
 * /proc may be ahead of the queue. So a FORK may be about a known process, and an EXIT about an
 * unknown one.
 */
static int take(const struct pc_event *event)
{
	pid_t tgid = pc_event_tgid(event);
	int alive;
	switch (event->kind) {
	case PC_EVENT_FORK:
		if (picture[tgid] == GONE) {
			picture[tgid] = ALIVE;
			printf("started %d\n", tgid);
		}
		break;
	case PC_EVENT_EXEC:
		picture[tgid] = ALIVE;
		printf("execed %d\n", tgid);
		break;
	case PC_EVENT_EXIT:
		/* The EXIT of a thread can be the process exit only if the leader is gone. */
		if (picture[tgid] == LEADER_GONE ||
		    (picture[tgid] == ALIVE && event->data.exit.pid == tgid)) {
			if ((alive = look_up(tgid)) < 0)
				return alive;
			picture[tgid] = (unsigned char)alive;
			if (alive == GONE)
				printf("exited %d\n", tgid);
		}
		break;
	case PC_EVENT_OVERRUN:
		doubtful = 1;
		lost += event->data.overrun.lost;
		break;
	}
	return 0;
}

int main(void)
{
	struct pc_options options = PC_OPTIONS_INIT;
	struct pc_event events[64];
	long read_ms = 0;
	setvbuf(stdout, NULL, _IOLBF, 0);
	options.events = PC_MASK_FORK | PC_MASK_EXEC | PC_MASK_EXIT;
	int result = pc_open(&pc, &options);
	if (result >= 0) {
		signal(SIGINT, stop);
		signal(SIGTERM, stop);
		doubtful = 1; /* No event reports the processes that already run. */
	}
	while (result >= 0 && !stopping) {
		/* Do not wait while in doubt: there may never be another event. */
		int count = pc_recv_many(pc, events, 64, doubtful ? 0 : 1000);
		for (int i = 0; i < count && result >= 0; i++)
			result = take(&events[i]);
		if (result < 0) {
			break;
		} else if (doubtful && (count == 0 || now_ms() - read_ms > 100)) {
			result = read_proc();
			read_ms = now_ms();
			/* While events are queued, they may be older than the reading of /proc. */
			if (count == 0 && result >= 0) {
				printf("synced, %ju events lost\n", lost);
				doubtful = 0;
				lost = 0;
			}
		} else if (count == 0) {
			result = pc_check(pc); /* No event for a second: does the kernel still report? */
		} else if (count < 0 && count != -EINTR && count != -ECANCELED) {
			result = count;
		}
	}
	if (result < 0)
		fprintf(stderr, "recovery: %s\n", pc_strerror(result));
	pc_close(pc);
	return result < 0;
}
