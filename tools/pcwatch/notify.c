/* Messages to the service manager, as sd_notify(3) sends them, without libsystemd. */
#include "pcwatch.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PINGS_PER_TIMEOUT = 3 };

/* Sends lines, and a descriptor with them unless fd is -1. Returns whether the message was sent. */
static bool send_lines(const char *lines, int fd, int flags)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t length = path ? strlen(path) : 0;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (length == 0 || length >= sizeof(address.sun_path))
		return false;
	memcpy(address.sun_path, path, length);
	if (*path == '@')
		address.sun_path[0] = '\0'; /* an abstract address */
	int manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (manager < 0)
		return false;
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(fd))];
	} control = { .header = { CMSG_LEN(sizeof(fd)), SOL_SOCKET, SCM_RIGHTS } };
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	struct iovec text = { (char *)lines, strlen(lines) };
	/* The length leaves out the final NUL, which would be part of an abstract address. */
	struct msghdr message = {
		.msg_name = &address,
		.msg_namelen = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length),
		.msg_iov = &text,
		.msg_iovlen = 1,
		.msg_control = fd < 0 ? NULL : control.space,
		.msg_controllen = fd < 0 ? 0 : sizeof(control.space),
	};
	ssize_t sent = sendmsg(manager, &message, MSG_NOSIGNAL | flags);
	close(manager);
	return sent >= 0;
}

/*
 * Sends lines such as "READY=1". Does nothing if no service manager has started pcwatch. Only the first message
 * waits for a manager that is busy: the others come again.
 */
void notify(const char *format, ...)
{
	static bool sent;
	char lines[200];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(lines, sizeof(lines), format, arguments);
	va_end(arguments);
	send_lines(lines, -1, sent ? MSG_DONTWAIT : 0);
	sent = true;
}

/* Sends lines and a descriptor. Waits for a manager that is busy, because pcwatch does not repeat this message. */
bool notify_with(const char *lines, int fd)
{
	return send_lines(lines, fd, 0);
}

/*
 * Returns how often to tell the manager that pcwatch works; 0: never. The manager says in the environment how long
 * it waits for that, and to whom this applies: a command inherits the environment.
 */
uint64_t ping_interval_ns(void)
{
	const char *timeout_us = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	if (!timeout_us || (pid && (pid_t)atol(pid) != getpid()))
		return 0;
	return strtoull(timeout_us, NULL, 10) * 1000 / PINGS_PER_TIMEOUT;
}
