#include "service.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

bool service_notify(const char *lines, int fd)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (!path || strlen(path) >= sizeof(address.sun_path))
		return false;
	memcpy(address.sun_path, path, strlen(path));
	if (*path == '@')
		address.sun_path[0] = '\0'; /* an abstract address: no file, and no NUL at its end */

	struct iovec text = { (void *)(size_t)lines, strlen(lines) };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .header = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct msghdr message = {
		.msg_name = &address,
		.msg_namelen = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path)),
		.msg_iov = &text,
		.msg_iovlen = 1,
	};
	if (fd >= 0) {
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
		message.msg_control = &control;
		message.msg_controllen = sizeof(control.space);
	}
	int manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (manager < 0)
		return false;
	bool sent = sendmsg(manager, &message, MSG_NOSIGNAL) >= 0;
	close(manager);
	return sent;
}

int service_stored(const char *name)
{
	enum { FIRST = 3 }; /* SD_LISTEN_FDS_START */
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	const char *names = getenv("LISTEN_FDNAMES");
	if (!pid || !count || !names || atoi(pid) != getpid())
		return -1;
	for (int i = 0; i < atoi(count); i++) {
		size_t length = strcspn(names, ":");
		if (length == strlen(name) && memcmp(names, name, length) == 0)
			return FIRST + i;
		names += length + (names[length] == ':');
	}
	return -1;
}
