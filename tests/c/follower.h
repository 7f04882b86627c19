/* A follower keeps all that a table tells; a puppet is a process that does what it is told. */
#ifndef FOLLOWER_H
#define FOLLOWER_H

#include "support.h"

enum { BUCKETS = 4096 };

struct follower {
	struct pc_table *table;
	struct pc_change *told;
	size_t count, room;
	unsigned char *last; /* by id: the kind of its last change */
	size_t ids;
	uint64_t lost; /* the sum of what SYNCED reported */
	/* Other programs' changes may be many: those of a pid are found through its bucket. A change is
	 * named by its place among the told ones, plus one. */
	uint32_t newest[BUCKETS];
	uint32_t *older; /* by change: the one before it in its bucket, or 0 */
};

#define TABLE_OPTIONS(...)                                                                         \
	((struct pc_table_options){ .size = sizeof(struct pc_table_options), __VA_ARGS__ })

/* Opens a table, and hears until SYNCED. Anything but success fails the test. */
struct follower open_follower(struct pc_table_options options);
/* Opens a table, and hears nothing yet. */
struct follower open_unheard(struct pc_table_options options);
void close_follower(struct follower *f);
/* pc_table_release(). If it succeeds, the follower is gone. */
int try_to_release(struct follower *f);
/* The same, once there is nothing to report. */
int release_follower(struct follower *f);
/* Allocates what is needed for so many changes. */
void make_room(struct follower *f, size_t changes);

/* pc_table_next() for a follower, which also returns what fails. */
int try_to_hear(struct follower *f, int timeout_ms);
/*
 * Hears the next change; NULL if none comes in time. Each must be about a process that has begun
 * and has not ended, and pc_table_get() must agree.
 */
const struct pc_change *hear(struct follower *f, int timeout_ms);
/* Hears until a change of this kind is about this process; of SYNCED, pid is 0. */
struct pc_change await_change(struct follower *f, uint32_t kind, pid_t pid);
/* Hears what this process and those it waited for have done until now. */
void catch_up(struct follower *f);
/*
 * Hears until the table finds that there is nothing to do; or, where other programs never let that
 * happen, what has happened until now, and until it knows of no loss that it has not recovered from.
 */
void hear_all(struct follower *f);

/*
 * The changes of all owners of this pid, a letter for each: Found, Started, eXeced, reNamed,
 * Credentials, sessIon, new Parent, Exited, Vanished: "SXE".
 */
const char *history(const struct follower *f, pid_t pid);
char letter_of(const struct pc_change *change);
/* Hears what is missing: an EXIT may be made after wait(2) has returned. */
#define CHECK_HISTORY(f, pid, expected) check_history(__FILE__, __LINE__, f, pid, expected)
void check_history(const char *file, int line, struct follower *f, pid_t pid, const char *expected);

/* Fails unless the exit code is this status, or called the leader's, or called unknown and 0. */
#define CHECK_CODE(change, status) check_code(__FILE__, __LINE__, change, status)
void check_code(const char *file, int line, const struct pc_change *change, int status);

struct pc_process look_up(const struct follower *f, pid_t pid);
/* The table's state of this process; -1 if it is not there. */
long state_of(const struct follower *f, pid_t pid);
struct pc_stats table_stats(const struct follower *f);

/* What /proc says, by other means than the library's; false if it has ended. */
bool read_proc(pid_t pid, struct pc_process *process);
/* Fails if anything differs between the table and /proc at every look, for a while. */
void check_table_is_proc(struct follower *f);

struct puppet {
	pid_t pid;
	int orders, answers;
};

struct puppet start_puppet(void);
/*
 * Has a puppet do one thing, and returns its answer, a pid where it makes a process:
 *     n  another name        s  a session      u  user ids       g  group ids
 *     x  exec from itself    X  from a thread  b  a failing exec from a thread; no answer
 *     f  a child that waits  F  that ends      c  a sibling that waits
 *     v  vfork and exec      t  a thread's life
 *     d  a daemon by two forks, in a session of its own
 *     T  a child of a thread k  it becomes a subreaper
 *     l  its leader ends with 5, a thread obeys from now on
 *     q  exit(3), no answer  Q  its thread ends with 9, no answer
 */
pid_t order(const struct puppet *puppet, char order);
/* What valgrind cannot run. */
void skip_if_instrumented(void);
/* Ends it, reaps it, and returns its wait status. */
int dismiss(const struct puppet *puppet, char order);

/* Follows until a process that had this id has ended. */
void await_end(struct follower *f, pid_t pid);

#endif
