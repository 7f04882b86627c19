/* Reads /proc/PID. */
#include "pcwatch.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/*
 * Reads a file of /proc/PID by one read(2), which these files answer as a whole, and adds a NUL. Returns
 * the number of bytes read; 0 if the file is empty or the task is gone.
 */
size_t read_proc(pid_t pid, const char *file, char *buffer, size_t size)
{
	/* snprintf() would take a tenth of the time that pcwatch uses for an EXEC, besides system calls. */
	char path[48] = "/proc/", digits[12], *end = path + strlen(path), *digit = digits;
	for (unsigned rest = (unsigned)pid; rest > 0 || digit == digits; rest /= 10)
		*digit++ = (char)('0' + rest % 10);
	while (digit > digits)
		*end++ = *--digit;
	*end++ = '/';
	stpcpy(end, file);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? 0 : read(fd, buffer, size - 1);
	if (fd >= 0)
		close(fd);
	buffer[length > 0 ? length : 0] = '\0';
	return length > 0 ? (size_t)length : 0;
}

/* Returns false, and leaves an empty name, if the task is gone. */
bool read_name(pid_t pid, char name[16])
{
	char comm[80]; /* /proc extends the name of a kernel worker */
	size_t length = read_proc(pid, "comm", comm, sizeof(comm));
	size_t kept = length > 16 ? 15 : length ? length - 1 : 0; /* without the line break */
	memcpy(name, comm, kept);
	name[kept] = '\0';
	return length > 0;
}

void read_ids(pid_t pid, struct ids *uid, struct ids *gid)
{
	char status[4096];
	read_proc(pid, "status", status, sizeof(status));
	/* The task's name precedes these lines but cannot fake them: line breaks are escaped. */
	const char *uids = strstr(status, "\nUid:"), *gids = strstr(status, "\nGid:");
	uid->known = uids && sscanf(uids, "\nUid: %u %u", &uid->real, &uid->effective) == 2;
	gid->known = gids && sscanf(gids, "\nGid: %u %u", &gid->real, &gid->effective) == 2;
}

/* Nothing is known of a process that is gone, or is being reaped: then its session is -1. */
struct relations read_relations(pid_t pid)
{
	char stat[1024];
	struct relations read = { 0 };
	read_proc(pid, "stat", stat, sizeof(stat));
	const char *end = strrchr(stat, ')'); /* of the name, which may have parentheses, too */
	if (!end || sscanf(end, ") %*c %d %*d %d %d", &read.parent, &read.session, &read.terminal) != 3 ||
	    read.session < 0)
		return (struct relations){ 0 };
	read.parent_known = read.session_known = read.terminal_known = true;
	return read;
}
