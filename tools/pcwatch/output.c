/* Writes to stdout and stderr, and stops pcwatch when stdout takes no more. */
#include "pcwatch.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ENOUGH = 65536, PAUSE_MS = 20 };

bool on_terminal, coloured;
static uint64_t flushed_ns; /* when flush() was called last */

/*
 * After a power loss, a file may end with a part of a line. A newline after it keeps the next line whole. fd cannot
 * read: opened for reading and writing, a FIFO would not wait for its reader.
 */
static void end_last_line(int fd)
{
	struct stat file;
	char last = '\n';
	if (fstat(fd, &file) < 0 || !S_ISREG(file.st_mode) || file.st_size == 0)
		return;
	int in = open(options.output, O_RDONLY | O_CLOEXEC);
	if (in < 0)
		return;
	if (pread(in, &last, 1, file.st_size - 1) == 1 && last != '\n' && write(fd, "\n", 1) < 0)
		complain(options.output, strerror(errno));
	close(in);
}

/*
 * Puts --output in the place of stdout, or stderr if a command is run: its output stays apart, as with
 * strace(1). Returns 0, or -1 with errno set.
 */
int redirect_output(void)
{
	int how = options.append ? O_APPEND : O_TRUNC;
	if (options.socket && connect_output() == 0)
		return 0;
	if (options.socket && !options.buffer_bytes)
		return -1;
	/* With --drop, lines are kept until a server takes them. */
	int fd = options.socket	   ? open("/dev/null", O_WRONLY | O_CLOEXEC)
		 : options.output  ? open(options.output, O_WRONLY | O_CREAT | how | O_CLOEXEC, 0666)
		 : options.command ? STDERR_FILENO
				   : STDOUT_FILENO;
	if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0)
		return -1;
	if (fd > STDERR_FILENO)
		close(fd);
	if (options.append && !options.socket)
		end_last_line(STDOUT_FILENO);
	return 0;
}

/* When a file was renamed, as logrotate(8) does: goes on in a new one of the old name. */
void reopen_output(void)
{
	flush();
	if (redirect_output() < 0)
		complain(options.output, strerror(errno));
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

static const char *output_name(void)
{
	return options.output ? options.output : options.command ? "stderr" : "stdout";
}

/* Stops pcwatch if stdout fails, silently if the reader of a pipe is gone. */
static void write_out(void)
{
	if (output_gone)
		return;
	int error = write_lines(), fault;
	if (lines_fault(&fault))
		complain(output_name(), strerror(fault));
	if (!error && fflush(stdout) != 0) /* what --tree has drawn */
		error = errno;
	if (!error)
		return;
	if (error != EPIPE)
		complain(output_name(), strerror(error));
	give_up(error != EPIPE);
}

void flush(void)
{
	flushed_ns = now_ns();
	write_out();
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
	if (options.tree || (ftell(out) > 0 && now_ns() >= flush_due_ns()))
		flush();
	else if (lines_waiting() && now_ns() >= lines_again_ns())
		write_out();
	uint64_t due_ns = ftell(out) > 0 ? flush_due_ns() : NEVER;
	return lines_waiting() && lines_again_ns() < due_ns ? lines_again_ns() : due_ns;
}

size_t room_left(void)
{
	size_t used = (size_t)ftell(out) + lines_waiting();
	return used < options.buffer_bytes ? options.buffer_bytes - used : 0;
}

/*
 * Waits a moment for the reader of stdout, and reports how many lines it has not taken. Returns whether all lines were
 * written.
 */
bool finish_output(void)
{
	flush();
	uint64_t left = options.buffer_bytes && !options.tree ? finish_lines() : 0;
	if (left)
		fprintf(stderr, NAME ": %s: the reader did not take the last %llu lines\n", output_name(),
			(unsigned long long)left);
	return left == 0 && !output_gone;
}

void end_line(void)
{
	putc('\n', out);
	if (ftell(out) >= ENOUGH)
		flush();
}

/* With --drop, a message must not wait for the reader of stderr either. */
void complain(const char *what, const char *why)
{
	struct pollfd reader = { STDERR_FILENO, POLLOUT, 0 };
	if (options.buffer_bytes && poll(&reader, 1, 0) == 0)
		return;
	screen_leave();
	fprintf(stderr, NAME ": %s: %s\n", what, why);
}
