/* Gives up, for good, every privilege except the one that the daemon needs while it runs. */
#include "pcpolicyd.h"

#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Becomes user, unless user is NULL, and keeps one capability. On failure, the program exits. */
void privileges_keep_only(int capability, const char *user)
{
	struct passwd *entry = user ? getpwnam(user) : NULL;
	if (entry) {
		/* Otherwise the change from root to another user would clear the capabilities. */
		require(prctl(PR_SET_KEEPCAPS, 1), "PR_SET_KEEPCAPS");
		require(setgroups(0, NULL), "setgroups");
		require(setresgid(entry->pw_gid, entry->pw_gid, entry->pw_gid), "setresgid");
		require(setresuid(entry->pw_uid, entry->pw_uid, entry->pw_uid), "setresuid");
	} else if (user) {
		fail(user, "no such user");
	}
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[2] = { 0 };
	sets[CAP_TO_INDEX(capability)].permitted = CAP_TO_MASK(capability);
	sets[CAP_TO_INDEX(capability)].effective = CAP_TO_MASK(capability);
	/* glibc has no capset(), and libcap would be a dependency for one call. */
	require((int)syscall(SYS_capset, &header, sets), "capset");
	require(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS");
}
