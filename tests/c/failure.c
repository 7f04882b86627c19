/* How a test ends that does not succeed. */
#include "promise.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void fail(const char *file, int line, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fprintf(stderr, "# %s:%d: ", file, line);
	vfprintf(stderr, format, arguments);
	fprintf(stderr, "\n");
	va_end(arguments);
	exit(1);
}

void skip(const char *why)
{
	fprintf(stderr, "# SKIPPED: %s\n", why);
	exit(SKIPPED);
}

void check_text(const char *file, int line, const char *what, const char *actual, const char *expected)
{
	if (!actual != !expected || (actual && strcmp(actual, expected) != 0))
		fail(file, line, "%s is \"%s\", not \"%s\"", what, actual ? actual : "NULL",
		     expected ? expected : "NULL");
}
