/*
 * soak SECONDS: readers of all sorts through one storm after the other.
 *
 * In a round, workers on all CPUs fork, thread, exec, rename and change ids, while readers, each a
 * process with a queue and a pace of its own, stall at random, are interrupted, checked, forked;
 * acknowledgements are flooded, and in some rounds the kernel is made deaf. Then the storm pauses,
 * and each reader's statistics must agree with an independent witness to the event (where its filter
 * stayed the same and nobody was deaf), its descriptors and memory must be what they were, and a
 * table kept by the documented recovery recipe must be what /proc says.
 */
#include "../c/suspects.h"
#include "../c/witness.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READERS = 6, WORKERS = 2, STORM_MS = 2000 };

enum phase { PREPARE, STORM, COMPARE, FINISH };

/* What a reader's process tells. */
struct report {
	atomic_int reached; /* the phase it has completed, in this round */
	pid_t pid;
	bool exact; /* its statistics can be compared */
	uint32_t events, flags, rcvbuf_bytes, batch, work_ns;
	uint64_t delivered, lost, overruns, deaf, interrupts, table_mismatches;
	uint32_t from[CPUS], until[CPUS];
	long rss_pages, descriptors;
};

static struct shared {
	atomic_int phase, round;
	atomic_bool deaf; /* somebody made the kernel deaf in this round */
	struct report reports[READERS];
} *shared;

static uint32_t state = 1;

static uint32_t random_below(uint32_t limit)
{
	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state % limit;
}

#define PICK(array) array[random_below(sizeof(array) / sizeof(array[0]))]

/* ---- Workers ---- */

static void *end_at_once(void *unused)
{
	return unused;
}

static void work(void *unused)
{
	(void)unused;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	state = (uint32_t)getpid() * 2654435761u;
	for (;;) {
		pthread_t thread;
		pid_t child;
		switch (random_below(8)) {
		case 0:
			if (pthread_create(&thread, NULL, end_at_once, NULL) == 0)
				pthread_join(thread, NULL);
			break;
		case 1:
			child = fork();
			if (child == 0)
				exec_self(NULL);
			waitpid(child, NULL, 0);
			break;
		case 2:
			child = fork();
			if (child == 0) {
				setsid();
				syscall(SYS_setresgid, 99, 99, 99);
				syscall(SYS_setresuid, 99, 99, 99);
				_exit((int)random_below(3));
			}
			waitpid(child, NULL, 0);
			break;
		case 3: /* the leader first */
			child = fork();
			if (child == 0) {
				pthread_create(&thread, NULL, end_at_once, NULL);
				syscall(SYS_exit, 3);
			}
			waitpid(child, NULL, 0);
			break;
		default:
			flood((long)random_below(5000));
			usleep(random_below(100));
		}
	}
}

static void flood_acknowledgements(void *unused)
{
	(void)unused;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	int fd = raw_socket(false);
	for (uint32_t ack = 0;; ack++)
		raw_request(fd, 9, ack);
}

/* ---- A table by the recovery recipe ---- */

/* By process: what pc_process_alive() said last. */
static unsigned char table[1 << 22];

static void look_up(unsigned char *processes, pid_t tgid)
{
	int alive = pc_process_alive(tgid);
	CHECK(alive >= 0 || alive == -ESRCH);
	processes[tgid] = alive > 0 ? (unsigned char)alive : 0;
}

static void rescan(unsigned char *processes)
{
	memset(processes, 0, sizeof(table));
	DIR *proc = opendir("/proc");
	CHECK(proc != NULL);
	for (struct dirent *entry; (entry = readdir(proc)) != NULL;) {
		int pid = atoi(entry->d_name);
		if (pid > 0 && pid < (int)sizeof(table))
			look_up(processes, pid);
	}
	closedir(proc);
}

/* Where the leader has gone first, no event of a leader tells of the end. */
static void look_up_leaderless(void)
{
	for (size_t pid = 1; pid < sizeof(table); pid++)
		if (table[pid] == 2)
			look_up(table, (pid_t)pid);
}

/*
 * Bounded reads; a rescan when nothing waits, and provisional ones every 100 ms. Follows as long as
 * the storm lasts, or until nothing waits: other programs may leave no pause.
 */
static void follow(struct pc_connector *pc, struct report *report)
{
	uint64_t scanned_ns = 0, next_check = 0;
	bool doubtful = false;
	for (;;) {
		bool storming = atomic_load(&shared->phase) == STORM;
		if (now_ns() > next_check || !storming) {
			next_check = now_ns() + 200000000u;
			CHECK(pc_check(pc) >= 0);
		}
		struct pc_event events[64];
		int result = pc_recv_many(pc, events, 64, storming ? 20 : 0);
		CHECK(result >= 0);
		for (int i = 0; i < result; i++) {
			if (events[i].kind != PC_EVENT_OVERRUN) {
				look_up(table, pc_event_tgid(&events[i]));
				continue;
			}
			report->overruns++;
			if (!doubtful)
				scanned_ns = now_ns();
			doubtful = true;
		}
		if (doubtful && (result == 0 || now_ns() - scanned_ns > 100000000u)) {
			rescan(table);
			scanned_ns = now_ns();
			doubtful = result != 0;
		}
		if (result == 0 && !storming) {
			look_up_leaderless();
			return;
		}
	}
}

static struct suspects suspects;

static uint64_t count_mismatches(bool tell)
{
	static unsigned char truth[sizeof(table)];
	rescan(truth);
	for (size_t pid = 1; pid < sizeof(table); pid++)
		if (!table[pid] != !truth[pid] && suspect(&suspects, pid) && tell)
			fprintf(stderr, "# process %zu: table %d, /proc %d\n", pid, table[pid],
				truth[pid]);
	return end_look(&suspects);
}

/* What no event mends is a mismatch. */
static void compare_table(struct pc_connector *pc, struct report *report)
{
	begin_looks(&suspects);
	for (int trial = 1; trial <= TRIALS; trial++) {
		report->table_mismatches =
			count_mismatches(trial == TRIALS && !atomic_load(&shared->deaf));
		if (report->table_mismatches == 0)
			return;
		usleep(20000);
		follow(pc, report);
	}
}

/* ---- Readers ---- */

static void on_alarm(int number)
{
	(void)number;
}

static void choose(struct report *report, struct reader *reader)
{
	static const uint32_t queues[] = { 2304, 8192, 65536, 212992, 1 << 20, 36 << 20 };
	static const size_t batches[] = { 1, 1, 2, 7, 64, 100 };
	static const unsigned paces[] = { 0, 0, 1000, 5000, 50000 };
	static const uint32_t masks[] = { PC_MASK_ALL, PC_MASK_COMM,
					  PC_MASK_COMM | PC_MASK_FORK | PC_MASK_EXIT };
	report->events = PICK(masks);
	report->flags = random_below(3) ? 0 : PC_FILTER_NO_THREADS;
	report->rcvbuf_bytes = PICK(queues);
	reader->batch = PICK(batches);
	reader->work_ns = PICK(paces);
	report->batch = (uint32_t)reader->batch;
	report->work_ns = reader->work_ns;
	report->exact = random_below(4) > 0;
}

/* What a program may do at any time and what must not cost an event. */
static void disturb(struct report *report, struct reader *reader)
{
	switch (random_below(6)) {
	case 0:
		usleep(random_below(50000));
		break;
	case 1:
		CHECK_EQ(pc_interrupt(reader->pc), 0);
		struct pc_event event;
		CHECK_EQ(pc_recv(reader->pc, &event, -1), -ECANCELED);
		report->interrupts++;
		break;
	case 2: {
		pid_t child = fork();
		if (child == 0) {
			pc_close(reader->pc);
			_exit(0);
		}
		waitpid(child, NULL, 0);
		break;
	}
	case 3:
		if (report->exact)
			break;
		CHECK_EQ(pc_unsubscribe(reader->pc), 0);
		usleep(random_below(1000));
		CHECK_EQ(pc_subscribe(reader->pc), 0);
		break;
	case 4:
		if (report->exact)
			break;
		CHECK_EQ(pc_set_filter(reader->pc, NULL), 0);
		break;
	default:
		break;
	}
}

static void read_storm(struct report *report, struct reader *reader)
{
	uint64_t next_check = now_ns(), next_disturbance = now_ns();
	while (atomic_load(&shared->phase) == STORM) {
		uint64_t now = now_ns();
		if (now > next_check) {
			next_check = now + 200000000u;
			int result = pc_check(reader->pc);
			CHECK(result == 0 || result == 1);
			if (result == 1) {
				/* It comes first, whatever waits. */
				struct pc_event event;
				CHECK_EQ(pc_recv(reader->pc, &event, 0), 1);
				CHECK_EQ(event.kind, PC_EVENT_OVERRUN);
				CHECK_EQ(event.data.overrun.reason, PC_LOST_DEAF);
				report->deaf++;
			}
		}
		if (now > next_disturbance) {
			next_disturbance = now + random_below(100) * 1000000u;
			disturb(report, reader);
		}
		int result = read_once(reader, (int)random_below(20));
		CHECK(result >= 0 || result == -EINTR);
	}
}

static void reach(struct report *report, enum phase phase)
{
	atomic_store(&report->reached, phase);
	while (atomic_load(&shared->phase) == (int)phase)
		usleep(1000);
}

static void note_resources(struct report *report)
{
	FILE *file = fopen("/proc/self/statm", "r");
	CHECK(file && fscanf(file, "%*s %ld", &report->rss_pages) == 1);
	fclose(file);
	report->descriptors = open_descriptors();
}

static void read_rounds(int index)
{
	struct report *report = &shared->reports[index];
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	report->pid = getpid();
	reach(report, COMPARE);
	while (atomic_load(&shared->phase) != FINISH) {
		state = (uint32_t)(atomic_load(&shared->round) * READERS + index + 1) * 2654435761u;
		struct reader reader = { 0 };
		choose(report, &reader);
		if (index == 0) { /* the table's */
			report->events = PC_MASK_FORK | PC_MASK_EXIT;
			report->flags = PC_FILTER_NO_THREADS;
			report->rcvbuf_bytes = 65536;
			report->exact = false;
		}
		reader.pc = open_connector(report->events, report->flags, report->rcvbuf_bytes);
		if (index == 0)
			rescan(table);
		else
			cut(&reader);
		memcpy(report->from, reader.last, sizeof(report->from));
		reader.tally = (struct tally){ 0 };
		struct pc_stats begun = stats_of(reader.pc);
		reach(report, PREPARE);
		if (index == 0) {
			follow(reader.pc, report);
			compare_table(reader.pc, report);
		} else {
			read_storm(report, &reader);
			CHECK(pc_check(reader.pc) >= 0);
			struct pc_event event;
			while (pc_recv(reader.pc, &event, 0) == 1)
				if (event.kind == PC_EVENT_OVERRUN &&
				    event.data.overrun.reason == PC_LOST_DEAF)
					report->deaf++;
				else
					take(&reader, &event);
			cut(&reader);
			struct pc_stats stats = stats_of(reader.pc);
			CHECK_EQ(stats.received - begun.received, reader.tally.events);
			CHECK_EQ(stats.lost - begun.lost, reader.tally.lost);
			CHECK(!report->exact || stats.filtered == 0);
			CHECK_EQ(stats.malformed + stats.foreign, 0);
		}
		memcpy(report->until, reader.last, sizeof(report->until));
		report->delivered = reader.tally.events;
		report->lost = reader.tally.lost;
		report->overruns += reader.tally.overruns;
		pc_close(reader.pc);
		note_resources(report);
		reach(report, COMPARE);
	}
	exit(0);
}

/* ---- Rounds ---- */

static void await_readers(enum phase phase)
{
	uint64_t deadline = now_ns() + 2 * PATIENCE_MS * 1000000ull;
	for (int i = 0; i < READERS; i++)
		while (atomic_load(&shared->reports[i].reached) != (int)phase) {
			int status;
			pid_t pid = shared->reports[i].pid;
			if (pid && waitpid(pid, &status, WNOHANG) == pid)
				fail(__FILE__, __LINE__, "reader %d has ended with %d", i, status);
			if (now_ns() > deadline)
				fail(__FILE__, __LINE__, "reader %d is stuck in phase %d", i, phase);
			usleep(1000);
		}
}

static void enter(enum phase phase)
{
	for (int i = 0; i < READERS; i++)
		atomic_store(&shared->reports[i].reached, -1);
	atomic_store(&shared->phase, phase);
}

static struct totals {
	uint64_t rounds, compared, delivered, lost, overruns, deaf, interrupts, witnessed, disturbed;
	long rss_pages[READERS], descriptors[READERS];
} totals;

static void storm(bool deaf_round)
{
	atomic_store(&shared->deaf, deaf_round);
	pid_t workers[WORKERS], flooder = random_below(2) ? start_child(flood_acknowledgements, NULL) : 0;
	for (int i = 0; i < WORKERS; i++)
		workers[i] = start_child(work, NULL);
	usleep(STORM_MS * 500);
	if (deaf_round)
		deafen();
	usleep(STORM_MS * 500);
	for (int i = 0; i < WORKERS; i++)
		stop_flood(workers[i]);
	if (flooder)
		stop_flood(flooder);
	usleep(50000); /* what the workers left behind ends too */
}

static void compare(const struct witness *witness, bool deaf_round)
{
	for (int i = 0; i < READERS; i++) {
		const struct report *report = &shared->reports[i];
		/* Of deafness that another reader has repaired first, nobody else is told. */
		if (!deaf_round)
			CHECK_EQ(report->table_mismatches, 0);
		if (i > 0 && !deaf_round && report->exact && witness->forged == 0) {
			uint64_t truth = witnessed(witness, report->from, report->until,
						   report->events, report->flags);
			if (report->delivered + report->lost != truth)
				fail(__FILE__, __LINE__,
				     "round %d, reader %d (events %#x, flags %#x, queue %u, batch %u, "
				     "%u ns): %llu + %llu is not %llu (the witness misses %llu)",
				     atomic_load(&shared->round), i, report->events, report->flags,
				     report->rcvbuf_bytes, report->batch, report->work_ns,
				     (unsigned long long)report->delivered,
				     (unsigned long long)report->lost, (unsigned long long)truth,
				     (unsigned long long)witness->missing);
			totals.compared++;
			totals.witnessed += truth;
		}
		totals.delivered += report->delivered;
		totals.lost += report->lost;
		/* After a few rounds everything that is needed once is there. */
		if (totals.rounds == 3) {
			totals.rss_pages[i] = report->rss_pages;
			totals.descriptors[i] = report->descriptors;
		} else if (totals.rounds > 3) {
			CHECK_EQ(report->descriptors, totals.descriptors[i]);
			CHECK(report->rss_pages < totals.rss_pages[i] + 256);
		}
	}
	totals.disturbed += witness->forged > 0;
}

static void run_round(void)
{
	struct witness witness;
	bool deaf_round = random_below(4) == 0;
	/* Before any reader begins to count. */
	start_witness(&witness);
	enter(PREPARE);
	await_readers(PREPARE);
	enter(STORM);
	storm(deaf_round);
	enter(COMPARE);
	await_readers(COMPARE);
	/* The latest cut of all. */
	uint32_t until[CPUS] = { 0 };
	bool known[CPUS] = { false };
	for (int i = 1; i < READERS; i++)
		for (int cpu = 0; cpu < CPUS; cpu++) {
			uint32_t seq = shared->reports[i].until[cpu];
			if (seq && (!known[cpu] || (int32_t)(seq - until[cpu]) > 0)) {
				until[cpu] = seq;
				known[cpu] = true;
			}
		}
	end_witness(&witness, until);
	compare(&witness, deaf_round);
	free_witness(&witness);
	totals.rounds++;
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? atof(argv[1]) : 60;
	uint64_t deadline = now_ns() + (uint64_t)(seconds * 1e9);
	signal(SIGALRM, on_alarm);
	setvbuf(stdout, NULL, _IOLBF, 0);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(shared != MAP_FAILED);
	enter(COMPARE);
	for (int i = 0; i < READERS; i++) {
		pid_t pid = fork();
		if (pid == 0)
			read_rounds(i);
		shared->reports[i].pid = pid;
	}
	state = (uint32_t)now_ns() | 1;
	await_readers(COMPARE);
	for (uint64_t next = 0; now_ns() < deadline;) {
		run_round();
		if (now_ns() > next) {
			next = now_ns() + 60000000000u;
			printf("# %llu rounds, %llu statistics compared\n",
			       (unsigned long long)totals.rounds, (unsigned long long)totals.compared);
		}
		atomic_fetch_add(&shared->round, 1);
	}
	enter(FINISH);
	for (int i = 0; i < READERS; i++) {
		const struct report *report = &shared->reports[i];
		CHECK_EQ(end_child(report->pid), 0);
		totals.overruns += report->overruns;
		totals.deaf += report->deaf;
		totals.interrupts += report->interrupts;
	}
	printf("%llu rounds: %llu events delivered + %llu lost, announced by %llu overruns; "
	       "%llu statistics (%llu events) agree with the witness; deafness noticed %llu times; "
	       "%llu interrupts; descriptors and memory constant; the table is /proc\n",
	       (unsigned long long)totals.rounds, (unsigned long long)totals.delivered,
	       (unsigned long long)totals.lost, (unsigned long long)totals.overruns,
	       (unsigned long long)totals.compared, (unsigned long long)totals.witnessed,
	       (unsigned long long)totals.deaf, (unsigned long long)totals.interrupts);
	return 0;
}
