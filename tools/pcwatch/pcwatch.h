/*
 * The interfaces of the files of pcwatch, in the order of their dependencies: each file uses only
 * files whose section comes before its own. tests/pcwatch.sh checks that.
 */
#ifndef PCWATCH_H
#define PCWATCH_H

#include <errno.h>
#include <limits.h>
#include <proc_connector.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define NAME "pcwatch" /* not argv[0], so that messages do not depend on the executable's name */
#define NS_PER_S UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)
#define NEVER UINT64_MAX

/* users.c: the names of users. */
bool find_user(const char *text, uid_t *uid);
const char *user_name(uid_t uid);

/* cgroups.c: what the path of a cgroup says. */
enum { CONTAINER_MAX = 256 };
const char *container_of(const char *cgroup, char buffer[CONTAINER_MAX]);
bool is_within(const char *cgroup, const char *subtree);

/* subtree.c: the cgroup that the user has named. */
char *find_cgroup(const char *path);

/* terminals.c: the names of terminals. */
enum { TERMINAL_MAX = 64 };
const char *terminal_name(int number, char buffer[TERMINAL_MAX]);

/* notify.c: messages to the service manager. */
__attribute__((format(printf, 1, 2))) void notify(const char *format, ...);
bool notify_with(const char *lines, int fd);
uint64_t ping_interval_ns(void);

/* store.c: the socket that the service manager keeps across restarts. */
struct legacy { /* of the previous run */
	int fd; /* the socket; -1: this version of pcwatch does not know what the manager has kept */
	uint32_t events, flags; /* the filter with which the kernel has filled the queue: as in struct pc_options */
	bool complete; /* that run has shown every event that it received */
	uint64_t since_ns; /* when that run began, CLOCK_MONOTONIC */
	uint64_t dropped; /* the part of dropped_by() that was reported, modulo 2^32 */
};
void take_descriptors(void);
bool inherit(struct legacy *legacy);
void disinherit(const struct legacy *legacy);
bool bequeath(const struct legacy *legacy);
uint32_t dropped_by(int fd);

/* help.c: the text of --help. */
extern const char HELP_OPTIONS[], HELP_OUTPUT[];

/* options.c: the command line. */
enum { /* what --show can add to a record */
	SHOW_USER = 1,
	SHOW_PARENT = 2,
	SHOW_TTY = 4,
	SHOW_SESSION = 8,
	SHOW_NSPID = 16,
	SHOW_CONTAINER = 32,
	SHOW_CGROUP = 64,
	SHOW_EXE = 128,
	SHOW_CWD = 256,
	SHOW_ALL = 511,
};
struct options {
	uint32_t events; /* to show: PC_MASK_* bits */
	bool no_threads, ends, failed, tree, json, stats, no_hurry, realtime, host;
	pid_t root; /* of the tree; 0: all processes */
	double seconds; /* 0: without limit */
	uint64_t count; /* 0: without limit */
	uint64_t spin_ns; /* how long to wait without sleeping */
	uint32_t show; /* SHOW_* bits */
	size_t command_bytes; /* of a command line, at most */
	size_t buffer_bytes; /* of --drop; 0: wait for the reader of stdout */
	const char *metrics; /* the name of a file; NULL: none */
	uint64_t metrics_interval_ns;
	size_t metrics_top; /* how many programs are counted by name */
	const char *output; /* the name of a file; NULL: stdout or, with a command, stderr */
	bool append; /* to that file, and open it again at SIGHUP */
	const char *socket; /* the path of a socket to write to; NULL: none */
	const char *host_name; /* in place of the machine's name; may be NULL */
	char **command; /* to run; NULL: none */
	bool leader; /* do not wait for what the command has started */
	pid_t family; /* a process: show it and its descendants; 0: all processes */
	/* filters */
	pid_t pid;
	bool by_user;
	uid_t user;
	const char *name, *cgroup;
};
extern struct options options;
void parse_options(int argc, char **argv);

/* clock.c: the time in nanoseconds. */
uint64_t clock_ns(int clock);
uint64_t now_ns(void); /* CLOCK_MONOTONIC, like the timestamps of events */
void note_clocks(void); /* at least once a second, so that a step of a clock is noticed in time */
uint64_t time_of_day_ns(uint64_t timestamp_ns); /* CLOCK_REALTIME */

/* host.c: what names this machine. */
enum { ID_SIZE = 33 };
struct host {
	char name[HOST_NAME_MAX + 1], machine[ID_SIZE], boot[ID_SIZE]; /* empty: not known */
};
bool read_host(struct host *host);

/* stop.c: whether pcwatch goes on, and what stops it. */
extern bool running;
extern int exit_status;
extern int signal_fd; /* a signalfd; readable when a signal is pending */
extern uint64_t deadline_ns;
int prepare_signals(bool live); /* live: pcwatch changes the terminal */
void stop(int status);

/* lines.c: what is written to stdout. */
extern FILE *out; /* collects whole lines until they are written */
extern bool output_gone; /* stdout takes no more output */
int connect_output(void);
void prepare_lines(void);
int write_lines(void);
size_t lines_waiting(void); /* how many bytes --drop keeps, because stdout does not take them */
uint64_t lines_again_ns(void); /* when to try again */
bool lines_fault(int *error); /* a file takes no more, and that has not been reported */
uint64_t finish_lines(void);
void give_up(int status);

/* escape.c: untrusted text, made safe to print. */
enum { MAX_COLUMNS = 1000 };
struct line {
	size_t columns, max_columns; /* of the terminal */
	size_t end, cut;             /* offsets in text: its end, and where an ellipsis would go */
	bool full;
	char text[MAX_COLUMNS * MB_LEN_MAX + 8];
};
void line_begin(struct line *line, size_t max_columns);
void line_add(struct line *line, const char *text, size_t length);
/* These add quotes if a space, a quote or, in a name, a parenthesis could mislead the reader. */
void line_add_name(struct line *line, const char *name);
void line_add_argument(struct line *line, const char *argument, size_t length);
bool json_string(const char *text, size_t length);
void json_base64(const char *bytes, size_t length);
void label(FILE *file, const char *name);

/* screen.c: the whole terminal. */
extern struct screen {
	size_t rows, columns;
	long scroll;  /* rows that the user has scrolled since the last drawing */
	bool changed; /* a resize or a key asks for a new drawing */
} screen;
void screen_enter(void);
void screen_leave(void);
bool screen_keys(void); /* handles typed keys; returns false if the user wants to quit */
void screen_signal(int number);

/* output.c: stdout and stderr. */
extern bool on_terminal, coloured;
int redirect_output(void);
void reopen_output(void);
void prepare_output(void);
void flush(void);
uint64_t flush_due_ns(void); /* when to write, at the earliest */
uint64_t flush_soon(void); /* when that is due: returns when to come again */
void end_line(void); /* of out */
size_t room_left(void); /* bytes that --drop may keep besides */
bool finish_output(void);
void complain(const char *what, const char *why);

/* record.c: one line of text, or one JSON object. */
enum { STARTS = PC_EVENT_UNKNOWN + 1, KINDS }; /* of records: PC_EVENT_*, and 0 for process exits */
bool begin_record(const char *event, uint64_t timestamp_ns, const char *colour);
void columns(pid_t pid, pid_t tid, const char *name);
void end_record(uint32_t kind);
bool end_notice(void);
uint64_t lines_made(void), lines_dropped(void), lines_unannounced(void);
enum lost_reason { LOST_IN_QUEUE, LOST_DEAF, LOST_AT_RESTART }; /* only for the first is the number known */
extern const char *const REASONS[];
void note_loss(uint64_t lost, enum lost_reason reason); /* before the record that reports it */
bool announce_dropped(void);
void text(const char *words);
void column(int width, const char *word, size_t length);
size_t room_in_line(void);
void number(const char *key, const char *format, bool known, long long value);
void string(const char *key, const char *format, const char *value);
void bytes(const char *key, const char *value, size_t length);
void boolean(const char *key, bool known, bool value);
void nanoseconds(const char *key, long long value);
void since(uint64_t since_ns);
void overrun(uint64_t lost, uint64_t since_ns, enum lost_reason reason);
void count_undecided(void);
void show_totals(const struct pc_stats *stats, uint64_t duration_ns, const char *wake);

/* metrics.c: what --metrics counts. */
enum deed { FORKED, EXECUTED, EXITED, FAILED, DEEDS }; /* of a process */
void count_event(uint32_t kind);
void count_overrun(enum lost_reason reason);
void count_deed(enum deed deed, const char *name);
uint64_t metrics_due_ns(void);
bool write_metrics(const struct pc_stats *stats);

/* status.c: wait(2) statuses. */
const char *status_text(int code, bool known, char buffer[40]);
void status(int code, bool known);

/* proc.c: files of /proc/PID. */
struct ids {
	bool known;
	uint32_t real, effective;
};
struct relations {
	bool parent_known, session_known, terminal_known;
	pid_t parent, session;
	int terminal;
};
size_t read_proc(pid_t pid, const char *file, char *buffer, size_t size);
bool read_name(pid_t pid, char name[16]);
void read_ids(pid_t pid, struct ids *uid, struct ids *gid);
struct relations read_relations(pid_t pid);

/* facts.c: what is read about a process besides its name. */
struct text {
	bool known;
	size_t length;
	char *bytes; /* NUL-terminated; NULL if there was never a text */
};
struct facts {
	struct text command, executable, directory, cgroup, nspid;
	bool command_cut;
	struct relations relations;
	struct ids owner;
	uint64_t start_boottime_ns, pidfd_inode; /* 0: not known */
};
void read_command(pid_t pid, struct facts *facts);
void read_facts(pid_t pid, uint32_t wanted, struct facts *facts);
void clear_facts(struct facts *facts);
void free_facts(struct facts *facts);

/* filter.c: which processes to show. */
enum verdict { UNDECIDED, UNWANTED, WANTED };
struct candidate { /* the process of a record */
	pid_t pid, parent; /* parent: only of a fork, otherwise 0 */
	const char *name; /* NULL: not known */
	struct ids owner;
	enum verdict in_cgroup;
};
bool has_filter(void);
enum verdict judge(const struct candidate *candidate);
enum verdict judge_cgroup(const struct text *cgroup);

/* show.c: what is known about a process, as columns or as fields of JSON. */
void show_header(void);
void show_facts(const struct facts *facts, const char *parent_key, const char *parent_name);
void show_command(const struct facts *facts);

/* tasks.c: the names and ids of tasks. */
struct task {
	pid_t pid;
	bool named, kernel;  /* kernel: a kernel thread */
	uint64_t named_at;   /* the number of the event */
	char comm[16];
	struct ids uid, gid;
	enum verdict in_cgroup; /* of --cgroup */
};
extern bool names_tracked, ids_tracked; /* pcwatch receives every event that changes a name, or ids */
struct task *task_of(pid_t pid);
const char *name_of(pid_t pid);
struct ids owner_of(pid_t pid);
struct task before(pid_t pid);
void learn(const struct pc_event *event, const char *exec_name);

/* job.c: the command that pcwatch runs. */
pid_t start_job(void);
void release_job(void);
bool signal_job(int number, bool from_terminal);
void expect_end(void);
int end_job(void);

/* table.c: the library's process table, which all views but that of events follow. */
extern struct pc_table *table;
int open_table(void);
int check_table(void);
void drain_table(void (*take)(const struct pc_change *change));
void get_table_stats(struct pc_stats *stats);
void close_table(bool complete);
uint64_t beginning(const struct pc_change *change);
const char *process_name(const struct pc_process *process);
bool is_end(const struct pc_change *change);
bool is_leaders_status(const struct pc_change *end);
const char *run_time(uint64_t began_ns, uint64_t ended_ns, char buffer[24]);

/* loop.c: the loop that runs a view. */
struct view { /* one way to look at the machine */
	int (*open)(void);   /* returns a descriptor to wait for, or a negative library error */
	int (*check)(void);  /* repairs the subscription; returns what pc_check() does */
	void (*drain)(void); /* handles some pending events: in a flood, signals get a turn */
	void (*get_stats)(struct pc_stats *stats);
	uint64_t (*wake_ns)(void); /* when to drain even without an event; may be NULL */
	void (*close)(bool complete); /* complete: each line was written, or announced as dropped */
};
int run(const struct view *view);
void listen_to(int fd);

/* events.c: the view without --ends and --tree. */
extern const struct view event_view;

/* lives.c: the view of processes, from start to end: --ends, --failed, --family and a command. */
extern const struct view life_view;

/* tree.c: the view of --tree. */
extern const struct view tree_view;

#endif
