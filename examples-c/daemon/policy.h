/* Which nice value the processes of which program get, from a file with lines of NAME NICE. */
#ifndef POLICY_H
#define POLICY_H

#include <sys/types.h>

/* Reads the file. What is wrong with it is said on stderr, with its line; then the program ends. */
void policy_read(const char *path);

/*
 * Gives a process what its program should have. Returns 1: it got it; 0: it had it, or is none of
 * ours, or has ended; negative: an errno.
 */
int policy_apply(pid_t pid);

/* The name that policy_apply() found last. */
extern char policy_name[16];

#endif
