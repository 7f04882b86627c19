#include "processes.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

enum { BATCH = 64, BATCHES_PER_WAKE_UP = 16, RESCAN_AFTER_MS = 100 };
enum { PIDS = 1 << 22 }; /* the kernel's PID_MAX_LIMIT */

/* What pc_process_alive() says of each process, and a mark while /proc is read. */
enum { ENDED = 0, ALIVE = 1, LEADER_GONE = 2, SEEN = 4 };
static unsigned char table[PIDS];

static bool doubtful;
static long scanned_ms; /* or, if that is later, became doubtful */
static unsigned long long lost;

static long now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000L + now.tv_nsec / 1000000L;
}

static unsigned char look_up(pid_t pid)
{
	int alive = pc_process_alive(pid);
	return alive > 0 ? (unsigned char)alive : ENDED;
}

static void rescan(void)
{
	DIR *proc = opendir("/proc");
	if (!proc) {
		perror("/proc");
		exit(1);
	}
	for (struct dirent *entry; (entry = readdir(proc)) != NULL;) {
		int pid = atoi(entry->d_name);
		if (pid <= 0 || pid >= PIDS)
			continue;
		unsigned char state = look_up(pid);
		if (state && !table[pid])
			printf("found %d\n", pid);
		if (state)
			table[pid] = state | SEEN;
	}
	closedir(proc);
	for (int pid = 0; pid < PIDS; pid++) {
		if (table[pid] && !(table[pid] & SEEN)) {
			table[pid] = ENDED;
			printf("gone %d\n", pid);
		}
		table[pid] &= (unsigned char)~SEEN;
	}
	scanned_ms = now_ms();
}

/*
 * A leader's EXIT is the end of its process unless other threads live on. Then it is one of theirs,
 * and its status the process's, as far as events can tell.
 */
static void take_exit(const struct pc_event_exit *exit)
{
	if (exit->pid != exit->tgid && table[exit->tgid] != LEADER_GONE)
		return;
	table[exit->tgid] = look_up(exit->tgid);
	if (table[exit->tgid] != ENDED)
		return;
	int status = exit->exit_code;
	printf("exit %d %d\n", exit->tgid,
	       WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

static void take(const struct pc_event *event)
{
	switch (event->kind) {
	case PC_EVENT_FORK:
		if (!table[event->data.fork.child_tgid])
			table[event->data.fork.child_tgid] = ALIVE;
		break;
	case PC_EVENT_EXEC:
		table[event->data.exec.tgid] = ALIVE;
		printf("exec %d\n", event->data.exec.tgid);
		break;
	case PC_EVENT_EXIT:
		take_exit(&event->data.exit);
		break;
	case PC_EVENT_OVERRUN:
		lost += event->data.overrun.lost;
		if (!doubtful)
			scanned_ms = now_ms();
		doubtful = true;
		break;
	default:
		break;
	}
}

void processes_take(const struct pc_event *events, int count)
{
	for (int i = 0; i < count; i++)
		take(&events[i]);
}

/*
 * In a flood the queue may never be empty. What waits then may be older than what /proc says, so
 * that the picture stays doubtful.
 */
void processes_settle(bool empty)
{
	if (doubtful && (empty || now_ms() - scanned_ms > RESCAN_AFTER_MS))
		rescan();
	if (doubtful && empty) {
		printf("lost %llu\n", lost);
		lost = 0;
		doubtful = false;
	}
	fflush(stdout);
}

int processes_drain(struct pc_connector *pc)
{
	struct pc_event events[BATCH];
	int count = 1;
	for (int batch = 0; count > 0 && batch < BATCHES_PER_WAKE_UP; batch++) {
		count = pc_recv_many(pc, events, BATCH, 0);
		if (count < 0) {
			fprintf(stderr, "pc_recv_many: %s\n", pc_strerror(count));
			return count;
		}
		processes_take(events, count);
	}
	processes_settle(count == 0);
	return count > 0;
}

/* If the kernel was deaf, an OVERRUN waits in the stream, but does not make pc_fd() readable. */
int processes_check(struct pc_connector *pc)
{
	return pc_check(pc) == 1 || doubtful ? processes_drain(pc) : 0;
}

int processes_open(struct pc_connector **pc)
{
	const char *budget = getenv("RCVBUF_BYTES");
	struct pc_options options = PC_OPTIONS_INIT;
	options.events = PC_MASK_FORK | PC_MASK_EXEC | PC_MASK_EXIT;
	options.rcvbuf_bytes = budget ? (uint32_t)strtoul(budget, NULL, 10) : 0;
	int result = pc_open(pc, &options);
	if (result < 0) {
		fprintf(stderr, "pc_open: %s\n", pc_strerror(result));
		return result;
	}
	rescan();
	fflush(stdout);
	return 0;
}
