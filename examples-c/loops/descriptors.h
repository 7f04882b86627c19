/* What a loop of bare descriptors waits for besides events. A failure ends the program. */
#ifndef DESCRIPTORS_H
#define DESCRIPTORS_H

#include <stdint.h>

/* Readable on SIGTERM and SIGINT, which are blocked: call it before threads are started. */
int stop_signals(void);

/* Readable once a second; seconds_passed() makes it wait for the next one. */
int seconds(void);
void seconds_passed(int timer);

/* Adds a descriptor to an epoll set. */
void watch(int epoll, int fd, uint32_t events);

#endif
