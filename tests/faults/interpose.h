/* What the library asks of the system: to make it fail, and to come in between. */
#ifndef INTERPOSE_H
#define INTERPOSE_H

#include <stdbool.h>

/* The call that is to fail, counted over all wrapped functions, and the error it fails with. */
extern struct fault {
	bool armed, hit;
	int countdown, error;
	const char *function;
} fault;

/* If set, called instead of each system call that goes through syscall(). */
extern long (*instead)(long number, const long arguments[6]);
/* Makes the call. */
long really(long number, const long arguments[6]);

#endif
