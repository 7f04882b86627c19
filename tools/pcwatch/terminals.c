/* Names terminals. */
#include "pcwatch.h"

#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { CONSOLES = 4, FIRST_SERIAL = 64, FIRST_PTS = 136, LAST_PTS = 143 };

/*
 * Returns the name in /dev of the terminal with the number that /proc/PID/stat has; an empty name if that
 * is 0, because the process has none.
 */
const char *terminal_name(int number, char buffer[TERMINAL_MAX])
{
	unsigned major = (unsigned)number >> 8 & 0xfff;
	unsigned minor = ((unsigned)number & 0xff) | ((unsigned)number >> 12 & 0xfff00);
	char path[64], link[256];
	*buffer = '\0';
	if (number == 0)
		return buffer;
	if (major >= FIRST_PTS && major <= LAST_PTS) {
		snprintf(buffer, TERMINAL_MAX, "pts/%u", (major - FIRST_PTS) * 256 + minor);
	} else if (major == CONSOLES && minor < FIRST_SERIAL) {
		snprintf(buffer, TERMINAL_MAX, "tty%u", minor);
	} else {
		snprintf(path, sizeof(path), "/sys/dev/char/%u:%u", major, minor);
		ssize_t length = readlink(path, link, sizeof(link) - 1);
		link[length > 0 ? length : 0] = '\0';
		const char *name = strrchr(link, '/');
		if (name)
			snprintf(buffer, TERMINAL_MAX, "%s", name + 1);
		else
			snprintf(buffer, TERMINAL_MAX, "%u:%u", major, minor);
	}
	return buffer;
}
