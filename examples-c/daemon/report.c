/* Sends the daemon's messages to the system log or to stderr. */
#include "pcpolicyd.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool ready;
bool in_background;

/* Reports to the system log with -b, otherwise to stderr. Errors before READY go to stderr. */
void report(int priority, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	if (in_background && (ready || priority != LOG_ERR))
		vsyslog(priority, format, arguments);
	else
		vfprintf(stderr, format, arguments);
	va_end(arguments);
}

_Noreturn void fail(const char *what, const char *why)
{
	report(LOG_ERR, "pcpolicyd: %s: %s\n", what, why);
	exit(1);
}

/* Returns the result of a system call. If that is an error, the program exits. */
int require(int result, const char *what)
{
	if (result < 0)
		fail(what, strerror(errno));
	return result;
}
