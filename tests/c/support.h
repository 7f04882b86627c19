/* What several promises need: handles, children, netlink by hand. */
#ifndef SUPPORT_H
#define SUPPORT_H

#include "promise.h"

#include <proc_connector.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What happens at all happens within this time, however busy the machine is. */
enum { PATIENCE_MS = 60000 };
/*
 * Other programs rename themselves, repair a deaf kernel and take their time on the CPU, but not each
 * time; what the library does wrong it does each time. So what they could disturb is tried so often.
 */
enum { TRIALS = 20 };
/* Bytes of the queue if the caller names none, and the kernel allows it. */
enum { DEFAULT_QUEUE = 36 << 20 };

uint64_t now_ns(void);

/* A handle with these PC_MASK_* bits and flags; anything but success fails the test. */
struct pc_connector *open_connector(uint32_t events, uint32_t flags, uint32_t rcvbuf_bytes);

/* Receives until an event of this kind is about this process. An overrun fails the test. */
struct pc_event await_event(struct pc_connector *pc, uint32_t kind, pid_t tgid);

/* The next event of this kind, whomever it is about; others are dropped. */
struct pc_event await_kind(struct pc_connector *pc, uint32_t kind);

/* Receives until 0. */
uint64_t drain(struct pc_connector *pc);

struct pc_stats stats_of(const struct pc_connector *pc);

/* Renames the calling thread: one COMM event, the cheapest there is. */
void rename_self(const char *name);
void flood(long count);
/* What stands for `most` repetitions: fewer on slow machines, where PROMISES_FLOOD is less than 200,000. */
long repetitions(long most);

/* Runs f in a forked child. */
pid_t start_child(void (*f)(void *), void *argument);
/* Waits for it; its wait status. A promise is skipped if its child skips it. */
int end_child(pid_t child);
/* Runs f in a forked child and fails the test if a CHECK in it fails. */
void in_child(void (*f)(void *), void *argument);

/* fork() with this id, which must be free. */
pid_t clone_with_id(pid_t id);

/* What a child does that only waits to be killed. */
void wait_for_ever(void *unused);

/* Starts such a child with this id; -1: the id is taken. */
pid_t start_as(pid_t id);

/*
 * The arguments of this program, up to `most`; how many they are. For constructors, to which only glibc gives them.
 */
int own_arguments(char *values[], int most);

/* Replaces the process by a copy of this program that ends at once; signature of a thread. */
void *exec_self(void *unused);
/* An exec that fails when the old program is gone: a signal ends the process. */
void *exec_impossible(void *unused);

/* A child that floods until it is ended. */
pid_t start_flood(void);
void stop_flood(pid_t child);

/* A connector socket made by hand; a member of group 1 if joined. */
int raw_socket(bool joined);
/* Sends a request of 4 bytes to the kernel, as the protocol has it. */
void raw_request(int fd, uint32_t operation, uint32_t ack);
/* The ack of the next acknowledgement, 0 when nothing is there; other messages are dropped. */
uint32_t raw_answer(int fd);

enum { EVENT_SIZE = 76 };
/* An event datagram as the kernel would send it. */
void make_datagram(unsigned char datagram[EVENT_SIZE], uint32_t what, uint32_t seq,
		   const void *data, size_t size);
/* An EXEC of this process, as a datagram. */
void make_exec(unsigned char datagram[EVENT_SIZE], pid_t pid);

/* Whether the kernel answers anybody: its count of listeners is at least one. */
bool kernel_listens(void);
/* Takes listeners away until the kernel is deaf; how many it had. Another listener may repair it. */
int deafen(void);
/* How many it has; they are taken away and put back. Another listener's repair is one more. */
int count_listeners(void);

/* How often this thread has given up the CPU to wait for something. */
long count_sleeps(void);

int open_descriptors(void);

/* From now on, nothing more can be allocated. */
void exhaust_memory(void);

/* From now on, this system call fails with this error. */
void deny(int number, int error);
/* From now on, any other system call than these ends the process. */
void allow_only(const int *numbers, size_t count);
/* From now on, any other system call than these waits for an answer through the descriptor that is returned. */
int notify_of_others(const int *numbers, size_t count);

#endif
