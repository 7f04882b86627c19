/* Reads what names this machine: --host. */
#include "pcwatch.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { READ_AGAIN_MS = 1000 };

/* Reads an id of 32 hexadecimal digits, without the dashes that it may have. Leaves an empty text if there is none. */
static void read_id(const char *path, char id[ID_SIZE])
{
	char text[64];
	size_t length = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t size = fd < 0 ? 0 : read(fd, text, sizeof(text));
	if (fd >= 0)
		close(fd);
	for (ssize_t i = 0; i < size && text[i] != '\n'; i++) {
		if (text[i] == '-')
			continue;
		if (length == ID_SIZE - 1 || !memchr("0123456789abcdef", text[i], 16))
			length = ID_SIZE; /* "uninitialized", during the first boot */
		if (length >= ID_SIZE)
			break;
		id[length++] = text[i];
	}
	id[length == ID_SIZE - 1 ? length : 0] = '\0';
}

/*
 * Returns whether this is the first call, or the machine's name has changed. A cloud's agent may set the name
 * after pcwatch has started, so pcwatch looks once a second.
 */
bool read_host(struct host *host)
{
	static uint64_t read_ns;
	uint64_t now = clock_ns(CLOCK_MONOTONIC_COARSE);
	char name[sizeof(host->name)];
	bool first = !read_ns;
	if (!first && now < read_ns + READ_AGAIN_MS * NS_PER_MS)
		return false;
	read_ns = now;
	if (first) {
		read_id("/proc/sys/kernel/random/boot_id", host->boot);
		read_id("/etc/machine-id", host->machine);
	}
	if (options.host_name)
		snprintf(name, sizeof(name), "%s", options.host_name);
	else if (gethostname(name, sizeof(name)) < 0)
		*name = '\0';
	if (!first && strcmp(name, host->name) == 0)
		return false;
	strcpy(host->name, name);
	return true;
}
