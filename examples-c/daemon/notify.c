/* Messages to the service manager, as sd_notify(3) sends them, without libsystemd. */
#include "pcpolicyd.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Sends lines such as "READY=1". Does nothing if no service manager started the daemon. */
void notify(const char *lines)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t length = path ? strlen(path) : 0;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (length == 0 || length >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, path, length);
	if (*path == '@')
		address.sun_path[0] = '\0'; /* an abstract address */
	int manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (manager < 0)
		return;
	/* The length excludes the final NUL, which would become part of an abstract address. */
	sendto(manager, lines, strlen(lines), MSG_NOSIGNAL, (struct sockaddr *)&address,
	       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
	close(manager);
}
