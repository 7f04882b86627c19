/* What the files of pcpolicyd share. Each function is described where it is defined. */
#ifndef PCPOLICYD_H
#define PCPOLICYD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <syslog.h>
#include <time.h>

/* report.c */
extern bool ready; /* the policy has been applied to every process */
extern bool in_background;
__attribute__((format(printf, 2, 3))) void report(int priority, const char *format, ...);
_Noreturn void fail(const char *what, const char *why);
int require(int result, const char *what);

struct rule;
struct pc_process;
struct pc_table;

/* processes.c */
void processes_wake_soon(void);
int processes_open(const char *user);
void processes_follow(void);
void processes_check(void);
void processes_apply_again(void);
void processes_close(void);
bool process_is_current(const struct pc_process *process, const struct rule *rule, const char *prefix);
uint64_t clock_ns(clockid_t clock);

/* policy.c */
struct inherited { /* the values that children have from the process that forked them */
	int nice;
	char cgroup[4096];
};
bool policy_read(const char *path);
const struct rule *policy_find(pid_t pid, const char *comm, bool renamed);
const char *policy_name(const struct rule *rule);
void policy_inherited(pid_t pid, struct inherited *values);
bool policy_apply(const struct rule *rule, pid_t pid, const struct inherited *inherited,
		  const char *prefix);

/* children.c */
struct application { /* a rule was applied to a process, and to the children that it has forked since a time */
	uint64_t id, since_ns;
	const struct rule *rule;
	struct inherited inherited;
};
void children_apply(struct pc_table *table, const struct pc_process *parent,
		    const struct application *application, const char *prefix);
void children_late(struct pc_table *table, const struct pc_process *child);
void children_forget(void);

/* background.c, notify.c, privileges.c */
void background_start(void);
void background_ready(void);
void notify(const char *lines);
void privileges_keep_only(int capability, const char *user);

#endif
