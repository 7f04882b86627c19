/*
 * The socket that the service manager keeps while pcwatch is restarted, as FileDescriptorStoreMax= in the unit allows.
 * The name of the descriptor says how far this run has come. systemd before version 254 does not report whether it
 * keeps descriptors; then pcwatch does not hand over the socket.
 */
#include "pcwatch.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/sock_diag.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FIRST_FD = 3, NAME_MAX_LENGTH = 120 };

static char stored[NAME_MAX_LENGTH]; /* the name of the descriptor that the manager keeps; empty: it keeps none */

static int inherited = -1; /* the socket of the previous run */

/* A child of the service's main process inherits these variables, too, but the manager ignores its messages. */
static bool has_store(void)
{
	const char *max = getenv("FDSTORE"), *pid = getenv("SYSTEMD_EXEC_PID");
	return getenv("NOTIFY_SOCKET") && max && atol(max) > 0 && pid && atol(pid) == getpid();
}

static void forget(void)
{
	char lines[NAME_MAX_LENGTH + 40];
	snprintf(lines, sizeof(lines), "FDSTOREREMOVE=1\nFDNAME=%s", stored);
	if (*stored)
		notify_with(lines, -1);
	*stored = '\0';
}

/*
 * Takes the descriptors that the manager has passed, before a command is started, which must get neither them nor
 * the variables. Closes them unless there is one: pcwatch has the manager keep only one.
 */
void take_descriptors(void)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS"), *name = getenv("LISTEN_FDNAMES");
	long descriptors = pid && count && atol(pid) == getpid() ? atol(count) : 0, limit = sysconf(_SC_OPEN_MAX);
	if (descriptors == 1 && name && fcntl(FIRST_FD, F_SETFD, FD_CLOEXEC) == 0) {
		snprintf(stored, sizeof(stored), "%s", name);
		inherited = FIRST_FD;
	}
	for (long fd = FIRST_FD; inherited < 0 && fd < FIRST_FD + descriptors && fd < limit; fd++)
		close((int)fd);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
}

/* Returns whether the manager has kept a descriptor of a previous run, and what its name says. */
bool inherit(struct legacy *legacy)
{
	char state[16];
	if (inherited < 0)
		return false;
	legacy->fd = inherited;
	if (sscanf(stored, "events-%15[a-z]-%" SCNx32 "-%" SCNx32 "-%" SCNu64 "-%" SCNu64, state, &legacy->events,
		   &legacy->flags, &legacy->since_ns, &legacy->dropped) == 5) {
		legacy->complete = strcmp(state, "complete") == 0;
	} else {
		disinherit(legacy);
		*legacy = (struct legacy){ .fd = -1 };
	}
	return true;
}

/* Closes what the previous run has left, because this view cannot continue with it. */
void disinherit(const struct legacy *legacy)
{
	if (legacy->fd >= 0)
		close(legacy->fd);
	forget();
}

/* Has the manager keep the socket in the state that legacy describes. Returns whether it was asked to. */
bool bequeath(const struct legacy *legacy)
{
	if (!has_store())
		return false;
	forget();
	snprintf(stored, sizeof(stored), "events-%s-%" PRIx32 "-%" PRIx32 "-%" PRIu64 "-%" PRIu64,
		 legacy->complete ? "complete" : "running", legacy->events, legacy->flags, legacy->since_ns,
		 legacy->dropped);
	char lines[NAME_MAX_LENGTH + 40];
	snprintf(lines, sizeof(lines), "FDSTORE=1\nFDPOLL=0\nFDNAME=%s", stored);
	return notify_with(lines, legacy->fd);
}

/* Returns how many events the kernel has dropped because the queue of the socket was full, modulo 2^32. */
uint32_t dropped_by(int fd)
{
	uint32_t values[SK_MEMINFO_VARS] = { 0 };
	socklen_t size = sizeof(values);
	return getsockopt(fd, SOL_SOCKET, SO_MEMINFO, values, &size) == 0 ? values[SK_MEMINFO_DROPS] : 0;
}
