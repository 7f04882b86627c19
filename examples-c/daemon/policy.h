/*
 * Which nice value, and which cgroup, the processes of which program get: from a file with lines of
 * NAME NICE [CGROUP]. NICE may be "-": as it is. CGROUP is a folder of a cgroup2 file system.
 */
#ifndef POLICY_H
#define POLICY_H

#include <sys/types.h>

/*
 * Reads the file, and opens the cgroups. What is wrong is said on stderr, with its line; then the
 * program ends.
 */
void policy_read(const char *path);

enum { POLICY_RENICED = 1, POLICY_MOVED = 2 };

/*
 * Gives a process what its program should have. Returns what was done; 0: it had it, or is none of
 * ours, or has ended; negative: an errno.
 */
int policy_apply(pid_t pid);

/* The name that policy_apply() found last. */
extern char policy_name[16];

#endif
