/* The table beside /proc, through everything that processes do, with and without losses. */
#include "churn.h"
#include "follower.h"
#include "support.h"
#include "suspects.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* By id: whether it has begun, and ended. */
enum { UNSEEN, LIVES, ENDED, IDS = 1 << 24 };
static unsigned char lives[IDS];

static struct {
	uint64_t changes, recovered, vanished, codes, unknown_codes;
} seen;

static bool is_beginning(const struct pc_change *change)
{
	return change->kind == PC_CHANGE_FOUND || change->kind == PC_CHANGE_STARTED;
}

static bool is_end(const struct pc_change *change)
{
	return change->kind == PC_CHANGE_EXITED || change->kind == PC_CHANGE_VANISHED;
}

static void take_change(struct pc_table *table, const struct pc_change *change)
{
	struct pc_process process;
	uint64_t id = change->process.id;
	seen.changes++;
	CHECK_EQ(change->sequence, seen.changes);
	if (change->kind == PC_CHANGE_UNSYNCED)
		return;
	if (change->kind == PC_CHANGE_SYNCED) {
		CHECK_EQ(id, 0);
		seen.recovered += change->flags & PC_CHANGE_RECOVERED;
		return;
	}
	CHECK(id > 0 && id < IDS);
	CHECK_EQ(lives[id], is_beginning(change) ? UNSEEN : LIVES);
	lives[id] = is_end(change) ? ENDED : LIVES;
	int there = pc_table_get(table, change->process.pid, &process);
	if (is_end(change)) {
		CHECK_EQ(there, 0);
		seen.vanished += change->kind == PC_CHANGE_VANISHED;
		seen.codes += change->flags & PC_CHANGE_EXIT_CODE && 1;
		seen.unknown_codes += !(change->flags & PC_CHANGE_EXIT_CODE);
	} else {
		CHECK_EQ(there, 1);
		CHECK_EQ(memcmp(&process, &change->process, sizeof(process)), 0);
	}
}

/* Follows until nothing comes for so long; or, if that never is, for a second. */
static void follow(struct pc_table *table, int timeout_ms)
{
	struct pc_change change;
	int result = 1;
	for (uint64_t end = now_ns() + 1000000000u; result == 1 && now_ns() < end;)
		if ((result = pc_table_next(table, &change, timeout_ms)) == 1)
			take_change(table, &change);
	CHECK(result >= 0);
}

/* ---- /proc, read by other means than the library's ---- */

struct truth {
	int parent, session;
	unsigned ruid, euid, rgid, egid;
	char comm[17];
};

static bool read_truth(pid_t pid, struct truth *truth)
{
	char path[64], line[256], status = 0;
	int threads = 0, found = 0;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	FILE *file = fopen(path, "r");
	if (!file)
		return false;
	while (fgets(line, sizeof(line), file)) {
		found += sscanf(line, "State: %c", &status);
		found += sscanf(line, "PPid: %d", &truth->parent);
		found += sscanf(line, "Uid: %u %u", &truth->ruid, &truth->euid);
		found += sscanf(line, "Gid: %u %u", &truth->rgid, &truth->egid);
		found += sscanf(line, "Threads: %d", &threads);
	}
	fclose(file);
	truth->session = getsid(pid);
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	if (found != 7 || !(file = fopen(path, "r")))
		return false;
	size_t length = fread(truth->comm, 1, sizeof(truth->comm) - 1, file);
	fclose(file);
	truth->comm[length ? length - 1 : 0] = '\0';
	return truth->session >= 0 && !(strchr("ZX", status) && threads < 2);
}

static bool is_true(const struct pc_process *p, const struct truth *t)
{
	return p->parent_pid == t->parent && p->session == t->session && p->ruid == t->ruid &&
	       p->euid == t->euid && p->rgid == t->rgid && p->egid == t->egid &&
	       (p->state & PC_PROCESS_KERNEL_THREAD || strcmp(p->comm, t->comm) == 0);
}

/* Ids of the table, and pids that it has not. */
static struct suspects suspects;

static size_t count_mismatches(struct pc_table *table, bool tell)
{
	struct pc_process p;
	struct truth t;
	size_t count = 0;
	for (uint64_t cursor = 0; pc_table_each(table, &cursor, &p) == 1; count++) {
		struct pc_process parent = { 0 };
		bool there = read_truth(p.pid, &t);
		bool right = there && is_true(&p, &t) && lives[p.id] == LIVES &&
			     (pc_table_get(table, p.parent_pid, &parent), p.parent_id == parent.id);
		if (!right && suspect(&suspects, p.id) && tell)
			fprintf(stderr,
				"# table: pid %d id %llu parent %d session %d ids %u %u %u %u valid %#x "
				"state %#x '%s'\n# /proc: %s parent %d session %d ids %u %u %u %u '%s'\n",
				(int)p.pid, (unsigned long long)p.id, (int)p.parent_pid,
				(int)p.session, p.ruid, p.euid, p.rgid, p.egid, p.valid, p.state, p.comm,
				there ? "is" : "is not", t.parent, t.session, t.ruid, t.euid, t.rgid,
				t.egid, t.comm);
	}
	CHECK_EQ(count, pc_table_count(table));
	DIR *proc = opendir("/proc");
	for (struct dirent *entry; (entry = readdir(proc)) != NULL;) {
		pid_t pid = atoi(entry->d_name);
		if (pid <= 0 || !read_truth(pid, &t) || pc_table_get(table, pid, &p) == 1)
			continue;
		if (suspect(&suspects, (uint64_t)-pid) && tell)
			fprintf(stderr, "# /proc has %d '%s', the table has not\n", (int)pid, t.comm);
	}
	closedir(proc);
	return end_look(&suspects);
}

/* What no further event mends is a mismatch. */
static void check_truth(struct pc_table *table)
{
	size_t mismatches = 1;
	begin_looks(&suspects);
	for (int look = 0; look < TRIALS && mismatches > 0; look++) {
		follow(table, look ? 20 : 2);
		mismatches = count_mismatches(table, look == TRIALS - 1);
	}
	CHECK_EQ(mismatches, 0);
}

static uint64_t events_of(const struct pc_table *table)
{
	struct pc_stats stats;
	CHECK_EQ(pc_table_get_stats(table, &stats, sizeof(stats)), 0);
	return stats.received + stats.lost;
}

static uint64_t number_from(const char *variable, uint64_t otherwise)
{
	const char *value = getenv(variable);
	return value ? strtoull(value, NULL, 10) : otherwise;
}

static void survive(uint32_t rcvbuf_bytes, unsigned stall_us)
{
	struct pc_table_options options = PC_TABLE_OPTIONS_INIT;
	options.rcvbuf_bytes = rcvbuf_bytes;
	struct pc_table *table;
	skip_if_instrumented();
	memset(lives, 0, sizeof(lives));
	CHECK_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	CHECK_EQ(pc_table_open(&table, &options), 0);
	uint64_t wanted = number_from("PROMISES_FLOOD", 100000), pauses = 0;
	srand((unsigned)now_ns());
	while (events_of(table) < wanted) {
		pid_t children[2] = { start_churn((unsigned)rand()), start_churn((unsigned)rand()) };
		for (uint64_t until = now_ns() + 200000000u; now_ns() < until;) {
			struct pc_change change;
			int result = pc_table_next(table, &change, rand() % 3);
			CHECK(result >= 0);
			if (result)
				take_change(table, &change);
			if (stall_us && rand() % 1000 == 0)
				usleep((unsigned)rand() % stall_us);
			while (waitpid(-1, NULL, WNOHANG) > 0)
				;
		}
		stop_churn(children, 2);
		check_truth(table);
		pauses++;
	}
	struct pc_stats stats;
	CHECK_EQ(pc_table_get_stats(table, &stats, sizeof(stats)), 0);
	printf("# %llu events, %llu lost; %llu changes, healed %llu times, %llu vanished; exit codes: "
	       "%llu known, %llu not; the table was /proc in %llu pauses\n",
	       (unsigned long long)(stats.received + stats.lost), (unsigned long long)stats.lost,
	       (unsigned long long)seen.changes, (unsigned long long)seen.recovered,
	       (unsigned long long)seen.vanished, (unsigned long long)seen.codes,
	       (unsigned long long)seen.unknown_codes, (unsigned long long)pauses);
	CHECK_EQ(stats.lost > 0, seen.recovered > 0);
	pc_table_close(table);
}

PROMISE(churned, "through any churn the table agrees with /proc, and each id begins once and ends once")
{
	survive(0, 0);
}

PROMISE(churned_with_losses, "through any churn with hundreds of losses the table agrees with /proc, and each id begins once and ends once")
{
	survive(32768, 30000);
}
