#include "privileges.h"

#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static void require(int result, const char *what)
{
	if (result < 0) {
		perror(what);
		exit(1);
	}
}

static void become(const char *name)
{
	struct passwd *user = getpwnam(name);
	if (!user) {
		fprintf(stderr, "no such user: %s\n", name);
		exit(1);
	}
	/* Without this, who ceases to be root loses the permitted capabilities as well. */
	require(prctl(PR_SET_KEEPCAPS, 1), "PR_SET_KEEPCAPS");
	require(setgroups(0, NULL), "setgroups");
	require(setresgid(user->pw_gid, user->pw_gid, user->pw_gid), "setresgid");
	require(setresuid(user->pw_uid, user->pw_uid, user->pw_uid), "setresuid");
}

void privileges_keep_only(int capability, const char *user)
{
	if (user)
		become(user);
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[2] = { 0 };
	sets[CAP_TO_INDEX(capability)].permitted = CAP_TO_MASK(capability);
	sets[CAP_TO_INDEX(capability)].effective = CAP_TO_MASK(capability);
	/* glibc has no capset(), and libcap would be a library for one call. */
	require((int)syscall(SYS_capset, &header, sets), "capset");
	require(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS");
}
