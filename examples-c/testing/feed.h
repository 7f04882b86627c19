/*
 * Made-up process events for a program's own tests: datagrams as the kernel would send them, into one
 * end of a socketpair(AF_UNIX, SOCK_SEQPACKET). The other end goes to pc_open_fd().
 */
#ifndef FEED_H
#define FEED_H

#include <sys/types.h>

/* Events of processes with one thread. status is a wait(2) status. If a function fails, the program exits. */
void feed_fork(int fd, pid_t parent, pid_t child);
void feed_exec(int fd, pid_t pid);
void feed_exit(int fd, pid_t pid, int status);

#endif
