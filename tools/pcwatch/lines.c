/*
 * Writes whole lines to stdout, so that no reader ever sees a part of one, and without getting stuck
 * if the reader of a pipe no longer reads.
 */
#include "pcwatch.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { GRACE_MS = 1000 };

FILE *out;
bool output_gone;
static char *lines; /* what out holds */
static size_t length;
static mode_t kind; /* of stdout */

void prepare_lines(void)
{
	struct stat file;
	out = open_memstream(&lines, &length);
	if (!out)
		abort();
	kind = fstat(STDOUT_FILENO, &file) == 0 ? file.st_mode & S_IFMT : 0;
}

void give_up(int status)
{
	output_gone = true;
	stop(status);
}

/* Returns how many bytes a pipe can hold. Makes a pipe that is too small larger if it can be. */
static size_t capacity(size_t size)
{
	int room = fcntl(STDOUT_FILENO, F_GETPIPE_SZ);
	if (room >= 0 && (size_t)room < size && fcntl(STDOUT_FILENO, F_SETPIPE_SZ, (int)size) > room)
		room = fcntl(STDOUT_FILENO, F_GETPIPE_SZ);
	return room > 0 ? (size_t)room : 0;
}

/*
 * Returns whether write(2) takes this many bytes at once. Of a pipe, poll(2) says only that it takes
 * PIPE_BUF bytes. An empty pipe takes as many as it can hold. Otherwise some of its pages are only
 * partly used, but the kernel fills two adjacent ones with more than one page's bytes.
 */
static bool fits(size_t size)
{
	int pending;
	size_t page = (size_t)sysconf(_SC_PAGESIZE), room;
	if (size <= PIPE_BUF || kind != S_IFIFO || (room = capacity(size)) < size ||
	    ioctl(STDOUT_FILENO, FIONREAD, &pending) < 0 || pending == 0)
		return true;
	return size + 2 * (size_t)pending + 3 * page <= room;
}

/*
 * Waits until stdout can be written to. When the reader of a pipe no longer reads, write(2) would
 * block, and pcwatch could handle neither signals nor its deadline. Returns false, and stops
 * pcwatch, if the reader is gone, a signal is pending or the deadline has passed. For the rest of a
 * line that has been begun, it waits a little longer.
 */
static bool may_write(size_t size, bool begun)
{
	struct pollfd fds[] = { { STDOUT_FILENO, POLLOUT, 0 }, { signal_fd, POLLIN, 0 } };
	for (uint64_t give_up_ns = NEVER; !output_gone;) {
		poll(fds, 2, 100);
		note_clocks();
		if (fds[0].revents & (POLLERR | POLLHUP))
			break;
		if (fds[0].revents && fits(size))
			return true;
		uint64_t now = now_ns();
		if (give_up_ns == NEVER && (fds[1].revents || now >= deadline_ns))
			give_up_ns = begun ? now + GRACE_MS * NS_PER_MS : now;
		if (now >= give_up_ns)
			break;
		if (fds[0].revents || fds[1].revents)
			usleep(1000); /* poll() would not wait */
	}
	give_up(0);
	return false;
}

/* When a file takes no more (the disk is full, RLIMIT_FSIZE): removes the beginning of a line. */
static void take_back(const char *written, size_t size)
{
	struct stat file;
	const char *end = memrchr(written, '\n', size);
	off_t excess = (off_t)(end ? size - (size_t)(end + 1 - written) : size);
	off_t at = lseek(STDOUT_FILENO, 0, SEEK_CUR);
	/* What another process has appended since stays. */
	if (kind == S_IFREG && excess > 0 && at >= excess && fstat(STDOUT_FILENO, &file) == 0 &&
	    file.st_size == at && ftruncate(STDOUT_FILENO, at - excess) == 0)
		lseek(STDOUT_FILENO, at - excess, SEEK_SET);
}

/* Writes lines by one write(2), unless they are longer than a pipe. Returns 0 or an errno value. */
static int put(const char *text, size_t size)
{
	for (size_t done = 0; done < size;) {
		size_t rest = size - done;
		if (!may_write(rest, done > 0))
			return 0;
		if (kind == S_IFIFO && rest > PIPE_BUF && capacity(rest) < rest)
			rest = PIPE_BUF;
		ssize_t wrote = kind == S_IFSOCK
					? send(STDOUT_FILENO, text + done, rest, MSG_DONTWAIT | MSG_NOSIGNAL)
					: write(STDOUT_FILENO, text + done, rest);
		if (wrote >= 0) {
			done += (size_t)wrote;
		} else if (errno != EAGAIN && errno != EINTR) {
			int error = errno;
			take_back(text, done);
			return error;
		}
	}
	return 0;
}

/* Returns the size of as many lines as a pipe takes at once, or of one longer line. */
static size_t some_lines(const char *text, size_t size)
{
	const char *end = size <= PIPE_BUF ? text + size - 1 : memrchr(text, '\n', PIPE_BUF);
	if (!end)
		end = memchr(text, '\n', size);
	return end ? (size_t)(end + 1 - text) : size;
}

/* Writes what out holds. Returns 0 or an errno value; EPIPE if the reader of a pipe is gone. */
int write_lines(void)
{
	struct pollfd reader = { STDOUT_FILENO, POLLOUT, 0 };
	int error = fflush(out) == 0 ? 0 : errno;
	if (poll(&reader, 1, 0) == 1 && reader.revents & (POLLERR | POLLHUP))
		return EPIPE;
	for (size_t at = 0, size; !error && !output_gone && at < length; at += size) {
		size = some_lines(lines + at, length - at);
		error = put(lines + at, size);
	}
	rewind(out);
	return error;
}
