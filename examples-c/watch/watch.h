/* What the files of this tool share. Each begins with what it is for. */
#ifndef WATCH_H
#define WATCH_H

#include <errno.h>
#include <limits.h>
#include <proc_connector.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NAME program_invocation_short_name
#define NS_PER_S UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)
#define NEVER UINT64_MAX

/* options.c */
struct options {
	uint32_t events; /* to be shown: PC_MASK_* bits */
	bool no_threads, ends, failed, tree, json, stats;
	pid_t root; /* of the tree; 0: all */
	double seconds;
	uint64_t count;
};
extern struct options options;
void parse_options(int argc, char **argv);

/* loop.c: a view is one way to look at the machine. */
struct view {
	int (*open)(void); /* returns a descriptor to wait for, or an error of the library */
	int (*check)(void);
	void (*drain)(void); /* a limited amount, so that signals get their turn */
	void (*get_stats)(struct pc_stats *stats);
	uint64_t (*wake_ns)(void); /* when to drain if nothing comes before; may be NULL */
	void (*close)(void);
};
extern const struct view event_view, end_view, tree_view;
extern bool running;
extern int result; /* the exit status */
int run(const struct view *view);
bool may_write(void);
void listen_to(int fd);
void complain(const char *what, const char *why);
uint64_t clock_ns(int clock);
uint64_t now_ns(void); /* CLOCK_MONOTONIC */

/* safe.c: text from strangers. */
enum { MAX_COLUMNS = 1000 };
struct line {
	size_t columns, max_columns, end, cut;
	bool full;
	char text[MAX_COLUMNS * MB_LEN_MAX + 8];
};
void line_begin(struct line *line, size_t max_columns);
void line_add(struct line *line, const char *text, size_t length);
/* Quoted if it could pass for something else. */
void line_add_name(struct line *line, const char *name);
void line_add_argument(struct line *line, const char *argument, size_t length);
void json_string(const char *text, size_t length);

/* record.c: a line of text, or a JSON object. */
extern bool on_terminal, coloured;
void prepare_output(void);
void show_header(void);
bool begin_record(const char *event, uint64_t timestamp_ns, const char *colour);
void columns(pid_t pid, pid_t tid, const char *name);
void end_record(uint32_t kind);
void text(const char *words);
void number(const char *key, const char *format, bool known, long long value);
void string(const char *key, const char *format, const char *value);
void boolean(const char *key, bool known, bool value);
void overrun(uint64_t lost, uint64_t since_ns, bool deaf);
void show_totals(const struct pc_stats *stats, uint64_t duration_ns);

/* status.c: wait(2) statuses. */
const char *status_text(int code, bool known, char buffer[40]);
void status(int code, bool known);

/* names.c: what is known of tasks. */
struct ids {
	bool known;
	uint32_t real, effective;
};
struct task {
	pid_t pid;
	bool named;
	char comm[16];
	struct ids uid, gid;
};
extern bool names_tracked; /* whether all events that change a name are received */
struct task *task_of(pid_t pid);
const char *name_of(pid_t pid);
void learn(const struct pc_event *event);
size_t read_proc(pid_t pid, const char *file, char *buffer, size_t size);

/* table.c: what the views of the library's table share. */
extern struct pc_table *table;
int open_table(void);
int check_table(void);
void drain_table(void (*take)(const struct pc_change *change));
void get_table_stats(struct pc_stats *stats);
void close_table(void);
const char *process_name(const struct pc_process *process);
bool is_end(const struct pc_change *change);
const char *run_time(const struct pc_change *end, char buffer[24]);

/* screen.c: the whole terminal. */
extern struct screen {
	size_t rows, columns;
	long scroll;  /* by so many rows, since the last drawing */
	bool changed; /* the window, or what the user wants to see */
} screen;
void screen_enter(void);
void screen_leave(void);
void screen_keys(void);
void screen_signal(int number);

#endif
