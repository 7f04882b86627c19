/*
 * Writes whole lines to stdout, so that no reader ever sees a part of one, and without getting stuck
 * if the reader of a pipe no longer reads. Without --drop, pcwatch waits for the reader, and meanwhile the
 * kernel's queue fills. With --drop, it keeps the lines in a buffer of a fixed size and goes on.
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
#include <sys/un.h>
#include <unistd.h>

enum { GRACE_MS = 1000, LONGEST_GRACE_MS = 10000, SOON_MS = 1, LATER_MS = 20, FAULT_MS = 1000 };

FILE *out;
bool output_gone;
static char *lines; /* what out holds */
static size_t length;
static mode_t kind; /* of stdout */
static bool connected; /* to --output unix:PATH */

/*
 * What --drop keeps: the bytes from head to tail. There is a quarter more memory than it may keep, so that it has
 * to be moved to the front only after a quarter was written.
 */
static struct {
	char *bytes;
	size_t size, head, tail;
	bool whole; /* the first byte of the memory begins a line */
	uint64_t again_ns;
	int error; /* of a file, since when it has not been possible to write all; 0: none */
	bool reported;
} kept;

/* Puts a connection to --output unix:PATH in the place of stdout. Returns 0, or -1 with errno set. */
int connect_output(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	strcpy(address.sun_path, options.socket); /* its length was checked */
	/* Otherwise connect(2) would wait for a server that does not accept. */
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || dup2(fd, STDOUT_FILENO) < 0) {
		int error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	close(fd);
	kind = S_IFSOCK;
	connected = true;
	return 0;
}

void prepare_lines(void)
{
	struct stat file;
	out = open_memstream(&lines, &length);
	if (!out)
		abort();
	kind = fstat(STDOUT_FILENO, &file) == 0 ? file.st_mode & S_IFMT : 0;
	kept.size = options.buffer_bytes + options.buffer_bytes / 4;
	kept.bytes = options.buffer_bytes ? malloc(kept.size) : NULL; /* uses no memory before it is written to */
	if (options.buffer_bytes && !kept.bytes)
		abort();
	kept.whole = true;
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
static bool take_back(const char *written, size_t size)
{
	struct stat file;
	const char *end = memrchr(written, '\n', size);
	off_t excess = (off_t)(end ? size - (size_t)(end + 1 - written) : size);
	off_t at = lseek(STDOUT_FILENO, 0, SEEK_CUR);
	/* What another process has appended since stays. */
	if (kind == S_IFREG && excess > 0 && at >= excess && fstat(STDOUT_FILENO, &file) == 0 &&
	    file.st_size == at && ftruncate(STDOUT_FILENO, at - excess) == 0)
		return lseek(STDOUT_FILENO, at - excess, SEEK_SET) >= 0;
	return false;
}

/* One write(2), of at most as many bytes as a pipe takes at once. */
static ssize_t write_once(const char *text, size_t size)
{
	if (kind == S_IFIFO && size > PIPE_BUF && capacity(size) < size)
		size = PIPE_BUF;
	return kind == S_IFSOCK ? send(STDOUT_FILENO, text, size, MSG_DONTWAIT | MSG_NOSIGNAL)
				: write(STDOUT_FILENO, text, size);
}

/* Writes lines by one write(2), unless they are longer than a pipe. Returns 0 or an errno value. */
static int put(const char *text, size_t size)
{
	for (size_t done = 0; done < size;) {
		size_t rest = size - done;
		if (!may_write(rest, done > 0))
			return 0;
		ssize_t wrote = write_once(text + done, rest);
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

/*
 * Connects again. A server that is gone has not got the end of a line that was begun: the next one gets that line
 * from its beginning or, if that is not kept any longer, the line after it.
 */
static bool reconnect(void)
{
	const char *before = memrchr(kept.bytes, '\n', kept.head), *end;
	if (now_ns() < kept.again_ns)
		return false;
	if (connect_output() < 0) {
		kept.error = errno;
		kept.again_ns = now_ns() + FAULT_MS * NS_PER_MS;
		return false;
	}
	kept.error = 0;
	if (before || kept.whole)
		kept.head = before ? (size_t)(before + 1 - kept.bytes) : 0;
	else if (kept.head && (end = memchr(kept.bytes + kept.head, '\n', kept.tail - kept.head)))
		kept.head = (size_t)(end + 1 - kept.bytes);
	return true;
}

static int lose_reader(void)
{
	if (!options.socket || !options.buffer_bytes)
		return EPIPE;
	connected = false;
	kept.error = EPIPE;
	kept.again_ns = now_ns() + LATER_MS * NS_PER_MS;
	return 0;
}

/*
 * Writes as much as stdout takes at once. Returns 0, or EPIPE if the reader is gone. A file that takes no more
 * may do so later, when a disk has room again.
 */
static int write_kept(void)
{
	bool progress = false;
	if (options.socket && !connected && !reconnect())
		return 0;
	while (kept.head < kept.tail) {
		struct pollfd reader = { STDOUT_FILENO, POLLOUT, 0 };
		size_t size = some_lines(kept.bytes + kept.head, kept.tail - kept.head);
		poll(&reader, 1, 0);
		if (reader.revents & (POLLERR | POLLHUP))
			return lose_reader();
		if (!reader.revents || !fits(size))
			break;
		ssize_t wrote = write_once(kept.bytes + kept.head, size);
		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0 && (errno == EAGAIN || errno == EPIPE || errno == ECONNRESET)) {
			if (errno != EAGAIN)
				return lose_reader();
			break;
		}
		if (wrote < 0) {
			kept.error = errno;
			const char *line = memrchr(kept.bytes, '\n', kept.head);
			if (take_back(kept.bytes, kept.head))
				kept.head = line ? (size_t)(line + 1 - kept.bytes) : 0;
			kept.again_ns = now_ns() + FAULT_MS * NS_PER_MS;
			return 0;
		}
		kept.head += (size_t)wrote;
		progress = true;
	}
	if (kept.head == kept.tail) {
		kept.head = kept.tail = 0;
		kept.whole = true;
		kept.error = 0;
		kept.reported = false;
	}
	kept.again_ns = now_ns() + (progress ? SOON_MS : LATER_MS) * NS_PER_MS;
	return 0;
}

/* Moves the lines of out to the others that wait. They fit, because room_left() was asked. */
static void keep(void)
{
	if (kept.size - kept.tail < length) {
		kept.whole = kept.head == 0 ? kept.whole : kept.bytes[kept.head - 1] == '\n';
		memmove(kept.bytes, kept.bytes + kept.head, kept.tail - kept.head);
		kept.tail -= kept.head;
		kept.head = 0;
	}
	if (kept.size - kept.tail < length)
		abort();
	memcpy(kept.bytes + kept.tail, lines, length);
	kept.tail += length;
}

size_t lines_waiting(void)
{
	return kept.tail - kept.head;
}

uint64_t lines_again_ns(void)
{
	return kept.again_ns;
}

bool lines_fault(int *error)
{
	*error = kept.error;
	bool report = kept.error && !kept.reported;
	kept.reported |= report;
	return report;
}

/*
 * Waits at the end for a reader that goes on reading, at most for a while. Returns how many lines it has not
 * taken.
 */
uint64_t finish_lines(void)
{
	uint64_t count = 0, start_ns = now_ns(), moved_ns = start_ns;
	for (size_t before = lines_waiting(); before && !output_gone && !kept.error; before = lines_waiting()) {
		if (write_kept() != 0)
			break;
		uint64_t now = now_ns();
		if (lines_waiting() < before)
			moved_ns = now;
		if (now >= moved_ns + GRACE_MS * NS_PER_MS || now >= start_ns + LONGEST_GRACE_MS * NS_PER_MS)
			break;
		usleep(1000);
	}
	for (size_t at = kept.head; at < kept.tail; at++)
		count += kept.bytes[at] == '\n';
	return count;
}

/* Writes what out holds. Returns 0 or an errno value; EPIPE if the reader of a pipe is gone. */
int write_lines(void)
{
	struct pollfd reader = { STDOUT_FILENO, POLLOUT, 0 };
	int error = fflush(out) == 0 ? 0 : errno;
	if (options.buffer_bytes && !error) {
		if (length)
			keep();
		rewind(out);
		return lines_waiting() && now_ns() < kept.again_ns && kept.error ? 0 : write_kept();
	}
	if (poll(&reader, 1, 0) == 1 && reader.revents & (POLLERR | POLLHUP))
		return EPIPE;
	for (size_t at = 0, size; !error && !output_gone && at < length; at += size) {
		size = some_lines(lines + at, length - at);
		error = put(lines + at, size);
	}
	rewind(out);
	return error;
}
