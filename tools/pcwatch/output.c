/* Writes to stdout and stderr, and stops pcwatch when stdout takes no more. */
#include "pcwatch.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ENOUGH = 65536, PAUSE_MS = 20 };

bool on_terminal, coloured;
static uint64_t flushed_ns; /* when flush() was called last */

/*
 * Puts --output in the place of stdout, or stderr if a command is run: its output stays apart, as with
 * strace(1). Returns 0, or -1 with errno set.
 */
int redirect_output(void)
{
	int fd = options.output ? open(options.output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)
		 : options.command ? STDERR_FILENO
				   : STDOUT_FILENO;
	if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0)
		return -1;
	if (fd > STDERR_FILENO)
		close(fd);
	return 0;
}

void prepare_output(void)
{
	static char buffer[4096]; /* for what --tree draws */
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	prepare_lines();
	setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	setvbuf(stderr, NULL, _IOLBF, BUFSIZ); /* of a message, too, only whole lines are written */
	on_terminal = !options.json && isatty(STDOUT_FILENO);
	coloured = on_terminal && !(no_color && *no_color) && !(term && strcmp(term, "dumb") == 0);
}

/* Stops pcwatch if stdout fails, silently if the reader of a pipe is gone. */
void flush(void)
{
	flushed_ns = now_ns();
	if (output_gone)
		return;
	int error = write_lines();
	if (!error && fflush(stdout) != 0) /* what --tree has drawn */
		error = errno;
	if (!error)
		return;
	if (error != EPIPE)
		complain(options.output ? options.output : options.command ? "stderr" : "stdout", strerror(error));
	give_up(error != EPIPE);
}

/*
 * Reading comes before writing: in a burst, lines are collected for up to PAUSE_MS. A line after a pause is
 * written at once.
 */
uint64_t flush_due_ns(void)
{
	return flushed_ns + PAUSE_MS * NS_PER_MS;
}

uint64_t flush_soon(void)
{
	if (ftell(out) == 0 && !options.tree)
		return NEVER;
	if (now_ns() < flush_due_ns() && !options.tree)
		return flush_due_ns();
	flush();
	return NEVER;
}

void end_line(void)
{
	putc('\n', out);
	if (ftell(out) >= ENOUGH)
		flush();
}

void complain(const char *what, const char *why)
{
	screen_leave();
	fprintf(stderr, NAME ": %s: %s\n", what, why);
}
