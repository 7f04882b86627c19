/* Messages to the service manager, as sd_notify(3) sends them, without libsystemd. */
#include "pcwatch.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PINGS_PER_TIMEOUT = 3 };

/*
 * Sends lines such as "READY=1". Does nothing if no service manager has started pcwatch. Only the first message
 * waits for a manager that is busy: the others come again.
 */
void notify(const char *format, ...)
{
	static bool sent;
	const char *path = getenv("NOTIFY_SOCKET");
	size_t length = path ? strlen(path) : 0;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char lines[200];
	va_list arguments;
	if (length == 0 || length >= sizeof(address.sun_path))
		return;
	va_start(arguments, format);
	vsnprintf(lines, sizeof(lines), format, arguments);
	va_end(arguments);
	memcpy(address.sun_path, path, length);
	if (*path == '@')
		address.sun_path[0] = '\0'; /* an abstract address */
	int manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (manager < 0)
		return;
	/* The length leaves out the final NUL, which would be part of an abstract address. */
	sendto(manager, lines, strlen(lines), MSG_NOSIGNAL | (sent ? MSG_DONTWAIT : 0), (struct sockaddr *)&address,
	       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
	close(manager);
	sent = true;
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
