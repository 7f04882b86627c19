#include "follower.h"
#include "suspects.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct follower open_unheard(struct pc_table_options options)
{
	struct follower f = { 0 };
	int result = pc_table_open(&f.table, &options);
	if (result == -EPERM || result == -EOPNOTSUPP || result == -ECONNREFUSED)
		skip(pc_strerror(result));
	CHECK_EQ(result, 0);
	CHECK(f.table != NULL);
	return f;
}

struct follower open_follower(struct pc_table_options options)
{
	struct follower f = open_unheard(options);
	await_change(&f, PC_CHANGE_SYNCED, 0);
	return f;
}

static void forget(struct follower *f)
{
	free(f->told);
	free(f->older);
	free(f->last);
}

void close_follower(struct follower *f)
{
	pc_table_close(f->table);
	forget(f);
}

int try_to_release(struct follower *f)
{
	int fd = pc_table_release(f->table);
	if (fd >= 0)
		forget(f);
	return fd;
}

int release_follower(struct follower *f)
{
	int fd;
	while ((fd = try_to_release(f)) == -EBUSY)
		hear_all(f);
	CHECK(fd >= 0);
	return fd;
}

void make_room(struct follower *f, size_t changes)
{
	f->told = realloc(f->told, changes * sizeof(f->told[0]));
	f->older = realloc(f->older, changes * sizeof(f->older[0]));
	CHECK(f->told != NULL && f->older != NULL);
	f->room = changes;
	if (f->ids < changes) {
		f->last = realloc(f->last, changes);
		CHECK(f->last != NULL);
		memset(f->last + f->ids, 0, changes - f->ids);
		f->ids = changes;
	}
}

static bool is_begin(uint32_t kind)
{
	return kind == PC_CHANGE_FOUND || kind == PC_CHANGE_STARTED;
}

static bool is_end(uint32_t kind)
{
	return kind == PC_CHANGE_EXITED || kind == PC_CHANGE_VANISHED;
}

static void check_order(struct follower *f, const struct pc_change *change)
{
	CHECK(change->process.id > 0 && change->process.id < 1 << 24);
	size_t id = (size_t)change->process.id;
	if (f->count == f->room || id >= f->ids)
		make_room(f, (f->count > id ? f->count : id) * 2 + 1024);
	uint32_t last = f->last[id];
	if (is_begin(change->kind) ? last != 0 : last == 0 || is_end(last))
		fail(__FILE__, __LINE__, "process %d, id %llu: change %u after %u",
		     (int)change->process.pid, (unsigned long long)id, change->kind, last);
	f->last[id] = (unsigned char)change->kind;
}

static bool is_about_none(const struct pc_change *change)
{
	return change->kind == PC_CHANGE_SYNCED || change->kind == PC_CHANGE_UNSYNCED;
}

int try_to_hear(struct follower *f, int timeout_ms)
{
	struct pc_change change;
	int result = pc_table_next(f->table, &change, timeout_ms);
	if (result <= 0)
		return result;
	CHECK_EQ(result, 1);
	CHECK(change.kind >= PC_CHANGE_FOUND && change.kind <= PC_CHANGE_UNSYNCED);
	CHECK_EQ(change.sequence, f->count + 1);
	if (!is_about_none(&change)) {
		struct pc_process process;
		check_order(f, &change);
		CHECK_EQ(pc_table_get(f->table, change.process.pid, &process), !is_end(change.kind));
		CHECK(is_end(change.kind) || memcmp(&process, &change.process, sizeof(process)) == 0);
	}
	if (f->count == f->room)
		make_room(f, f->room * 2 + 1024);
	uint32_t *newest = &f->newest[(uint32_t)change.process.pid % BUCKETS];
	f->older[f->count] = *newest;
	f->told[f->count++] = change;
	*newest = (uint32_t)f->count;
	if (change.kind == PC_CHANGE_SYNCED)
		f->lost += change.lost;
	return 1;
}

const struct pc_change *hear(struct follower *f, int timeout_ms)
{
	int result = try_to_hear(f, timeout_ms);
	CHECK(result >= 0);
	return result == 1 ? &f->told[f->count - 1] : NULL;
}

struct pc_change await_change(struct follower *f, uint32_t kind, pid_t pid)
{
	uint64_t deadline = now_ns() + PATIENCE_MS * 1000000ull;
	while (now_ns() < deadline) {
		const struct pc_change *change = hear(f, 1000);
		if (change && change->kind == kind && change->process.pid == pid)
			return *change;
	}
	fail(__FILE__, __LINE__, "no change %u of %d came, only %s", kind, (int)pid,
	     history(f, pid));
}

/* A new name of this process, which tells what has happened before from what happens from now on. */
static const char *set_mark(void)
{
	static unsigned mark;
	static char name[16];
	snprintf(name, sizeof(name), "mark %u", ++mark);
	rename_self(name);
	return name;
}

static bool is_renamed(const struct pc_change *change, const char *mark)
{
	return change->kind == PC_CHANGE_RENAMED && change->process.pid == getpid() &&
	       strcmp(change->process.comm, mark) == 0;
}

void catch_up(struct follower *f)
{
	struct pc_change change;
	const char *mark = set_mark();
	do
		change = await_change(f, PC_CHANGE_RENAMED, getpid());
	while (!is_renamed(&change, mark));
}

void hear_all(struct follower *f)
{
	struct pollfd poll_set = { .fd = pc_table_fd(f->table), .events = POLLIN };
	const char *mark = set_mark();
	bool marked = false;
	do {
		const struct pc_change *change;
		while ((change = hear(f, 0))) {
			marked |= is_renamed(change, mark);
			if (marked && f->lost == table_stats(f).lost)
				return;
		}
	} while (poll(&poll_set, 1, 0) == 1);
}

char letter_of(const struct pc_change *change)
{
	return "?FSXNCIPEV"[change->kind];
}

const char *history(const struct follower *f, pid_t pid)
{
	static char letters[256];
	char *first = letters + sizeof(letters) - 1;
	for (uint32_t i = f->newest[(uint32_t)pid % BUCKETS]; i != 0 && first > letters; i = f->older[i - 1]) {
		const struct pc_change *change = &f->told[i - 1];
		if (!is_about_none(change) && change->process.pid == pid)
			*--first = letter_of(change);
	}
	return first;
}

void check_history(const char *file, int line, struct follower *f, pid_t pid, const char *expected)
{
	uint64_t deadline = now_ns() + PATIENCE_MS * 1000000ull;
	for (const char *told; now_ns() < deadline; hear(f, 100)) {
		told = history(f, pid);
		if (strcmp(told, expected) == 0 || strncmp(told, expected, strlen(told)) != 0)
			break;
	}
	if (strcmp(history(f, pid), expected) != 0)
		fail(file, line, "the history of %d is \"%s\", not \"%s\"", (int)pid,
		     history(f, pid), expected);
}

void check_code(const char *file, int line, const struct pc_change *change, int status)
{
	if (change->flags & PC_CHANGE_LEADER_CODE)
		return;
	int expected = change->flags & PC_CHANGE_EXIT_CODE ? status : 0;
	if (change->exit_code != expected)
		fail(file, line, "the exit code of %d is %#x, not %#x", (int)change->process.pid,
		     (unsigned)change->exit_code, (unsigned)expected);
}

struct pc_process look_up(const struct follower *f, pid_t pid)
{
	struct pc_process process;
	CHECK_EQ(pc_table_get(f->table, pid, &process), 1);
	return process;
}

long state_of(const struct follower *f, pid_t pid)
{
	struct pc_process process;
	return pc_table_get(f->table, pid, &process) == 1 ? (long)process.state : -1;
}

struct pc_stats table_stats(const struct follower *f)
{
	struct pc_stats stats;
	CHECK_EQ(pc_table_get_stats(f->table, &stats, sizeof(stats)), 0);
	return stats;
}

static size_t slurp(pid_t pid, const char *name, char *text, size_t size)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	FILE *file = fopen(path, "r");
	size_t length = file ? fread(text, 1, size - 1, file) : 0;
	text[length] = '\0';
	if (file)
		fclose(file);
	return length;
}

bool read_proc(pid_t pid, struct pc_process *process)
{
	enum { PF_KTHREAD = 0x00200000 };
	char text[4096], state;
	unsigned flags, threads;
	unsigned long long start;
	*process = (struct pc_process){ .pid = pid };
	if (slurp(pid, "stat", text, sizeof(text)) == 0)
		return false;
	CHECK_EQ(sscanf(strrchr(text, ')') + 1,
			" %c %d %*d %d %*d %*d %u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %u %*d %llu",
			&state, &process->parent_pid, &process->session, &flags, &threads, &start),
		 6);
	bool leader_gone = state == 'Z' || state == 'X';
	if (leader_gone && threads <= 1)
		return false;
	process->state = (flags & PF_KTHREAD ? PC_PROCESS_KERNEL_THREAD : 0) |
			 (leader_gone ? PC_PROCESS_LEADER_GONE : 0);
	process->start_boottime_ns = start * 10000000;
	process->valid = PC_FIELD_PARENT | PC_FIELD_START | PC_FIELD_SESSION | PC_FIELD_CREDENTIALS |
			 (flags & PF_KTHREAD ? 0 : PC_FIELD_COMM);
	size_t length = slurp(pid, "comm", text, sizeof(text));
	if (length == 0)
		return false;
	text[length - 1] = '\0';
	snprintf(process->comm, sizeof(process->comm), "%.15s", text);
	slurp(pid, "status", text, sizeof(text));
	const char *uid = strstr(text, "\nUid:"), *gid = strstr(text, "\nGid:");
	return uid && gid && sscanf(uid, " Uid: %u %u", &process->ruid, &process->euid) == 2 &&
	       sscanf(gid, " Gid: %u %u", &process->rgid, &process->egid) == 2;
}

/* What differs; NULL: nothing. */
static const char *difference(const struct follower *f, const struct pc_process *told)
{
	struct pc_process read, parent;
	if (!read_proc(told->pid, &read))
		return "its existence";
	if (told->start_boottime_ns != read.start_boottime_ns)
		return "its start";
	if (told->valid != read.valid)
		return "what is valid";
	if (told->parent_pid != read.parent_pid)
		return "its parent";
	bool has_parent = pc_table_get(f->table, told->parent_pid, &parent) == 1;
	if (told->parent_id != (has_parent ? parent.id : 0) || has_parent != (read.parent_pid > 0))
		return "its parent's id";
	if (told->session != read.session)
		return "its session";
	if (told->ruid != read.ruid || told->euid != read.euid || told->rgid != read.rgid ||
	    told->egid != read.egid)
		return "its ids";
	if (told->state != read.state)
		return "its state";
	if (told->valid & PC_FIELD_COMM && strncmp(told->comm, read.comm, 16) != 0)
		return "its name";
	return NULL;
}

static struct suspects suspects;
static char what_differs[100];

static void look_at_table(const struct follower *f)
{
	struct pc_process process;
	uint64_t cursor = 0;
	int count = 0, last = 0;
	while (pc_table_each(f->table, &cursor, &process) == 1) {
		CHECK(process.pid > last);
		last = process.pid;
		count++;
		const char *differs = difference(f, &process);
		if (differs && suspect(&suspects, process.id))
			snprintf(what_differs, sizeof(what_differs), "%s of %d differs", differs,
				 (int)process.pid);
	}
	CHECK_EQ(pc_table_count(f->table), count);
}

static void look_at_proc(const struct follower *f)
{
	struct pc_process process;
	DIR *directory = opendir("/proc");
	CHECK(directory != NULL);
	for (struct dirent *entry; (entry = readdir(directory));) {
		pid_t pid = atoi(entry->d_name);
		if (pid > 0 && read_proc(pid, &process) &&
		    pc_table_get(f->table, pid, &process) == 0 && suspect(&suspects, (uint64_t)-pid))
			snprintf(what_differs, sizeof(what_differs), "%d is missing", (int)pid);
	}
	closedir(directory);
}

void check_table_is_proc(struct follower *f)
{
	uint64_t deadline = now_ns() + PATIENCE_MS * 1000000ull;
	begin_looks(&suspects);
	do {
		hear_all(f);
		look_at_table(f);
		look_at_proc(f);
		if (end_look(&suspects) == 0)
			return;
	} while (now_ns() < deadline);
	fail(__FILE__, __LINE__, "%s", what_differs);
}

/* With a small queue, this event may be lost as well. */
void await_end(struct follower *f, pid_t pid)
{
	for (uint64_t deadline = now_ns() + PATIENCE_MS * 1000000ull; state_of(f, pid) != -1;) {
		hear(f, 100);
		CHECK(now_ns() < deadline);
	}
}
