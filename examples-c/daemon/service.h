/*
 * What a service says to its manager, and what it finds in its manager's FD store: sd_notify(3) and
 * sd_listen_fds(3), by hand. Without a manager nothing happens.
 */
#ifndef SERVICE_H
#define SERVICE_H

#include <stdbool.h>

/* Sends lines such as "READY=1", with a copy of fd unless that is -1. False: nobody got it. */
bool service_notify(const char *lines, int fd);

/* The descriptor that an earlier instance has stored under this name; -1 if there is none. */
int service_stored(const char *name);

#endif
