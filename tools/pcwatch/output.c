/* Writes to stdout without getting stuck if the reader of a pipe no longer reads, and to stderr. */
#include "pcwatch.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool on_terminal, coloured, output_gone;

void prepare_output(void)
{
	/* poll(2) calls a pipe writable when it has room for 4096 bytes: flushing does not block. */
	static char buffer[4096];
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	on_terminal = !options.json && isatty(STDOUT_FILENO);
	coloured = on_terminal && !(no_color && *no_color) && !(term && strcmp(term, "dumb") == 0);
}

static void give_up(int status)
{
	output_gone = true;
	stop(status);
}

/*
 * Waits until stdout can be written to. When the reader of a pipe no longer reads, write(2) would
 * block, and pcwatch could handle neither signals nor its deadline. Returns false, and stops
 * pcwatch, if the reader is gone, a signal is pending or the deadline has passed.
 */
bool may_write(void)
{
	if (output_gone)
		return false;
	struct pollfd fds[] = { { STDOUT_FILENO, POLLOUT, 0 }, { signal_fd, POLLIN, 0 } };
	do {
		poll(fds, 2, 100);
		if (fds[0].revents & (POLLERR | POLLHUP))
			break;
		if (fds[0].revents)
			return true;
	} while (!fds[1].revents && now_ns() < deadline_ns);
	give_up(0);
	return false;
}

/* Stops pcwatch if stdout fails, silently if the reader of a pipe is gone. */
void flush(void)
{
	errno = EIO;
	if (!may_write() || (fflush(stdout) == 0 && !ferror(stdout)))
		return;
	bool reader_gone = errno == EPIPE;
	if (!reader_gone)
		complain("stdout", strerror(errno));
	give_up(!reader_gone);
}

void complain(const char *what, const char *why)
{
	screen_leave();
	fprintf(stderr, NAME ": %s: %s\n", what, why);
}
