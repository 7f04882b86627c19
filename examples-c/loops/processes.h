/*
 * What the loops here have in common: a picture of the machine's processes, which the recovery recipe
 * of proc_connector.h keeps true, shown on stdout as it changes:
 *
 *     found PID        lives: seen at the start, or after a loss that hid its beginning
 *     exec PID         runs a new program
 *     exit PID STATUS  has ended; STATUS as the shell has it: 128 + N if signal N killed it
 *     gone PID         has ended while events were lost
 *     lost N           so many events since the picture was last sure; now it is again
 */
#ifndef PROCESSES_H
#define PROCESSES_H

#include <proc_connector.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Opens a connector, then reads /proc. RCVBUF_BYTES in the environment is the queue's budget. What
 * is wrong is said on stderr; returns what pc_open() does.
 */
int processes_open(struct pc_connector **pc);

/*
 * To be called when pc_fd() is readable. Takes a limited number of events, so that a flood leaves the
 * loop its time. Returns 1: more may wait; 0: none does; negative: an error, which was said on stderr.
 */
int processes_drain(struct pc_connector *pc);

/* To be called once a second: the kernel can be made deaf. Returns what processes_drain() does. */
int processes_check(struct pc_connector *pc);

/*
 * For loops that receive in another way: takes these events; then say how things stand: whether
 * the queue was seen to be empty.
 */
void processes_take(const struct pc_event *events, int count);
void processes_settle(bool empty);

#ifdef __cplusplus
}
#endif

#endif
