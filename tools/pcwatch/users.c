/* Looks up the names of users. */
#include "pcwatch.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * A static pcwatch does not have these, because glibc would load modules of the machine's own glibc, which
 * may be another version. It reads /etc/passwd itself, so it knows no users of LDAP or systemd by name.
 */
#pragma weak getpwnam
#pragma weak getpwuid

enum { USERS = 64 };

static struct passwd *in_file(const char *name, uid_t uid)
{
	struct passwd *user = NULL;
	FILE *file = fopen("/etc/passwd", "re");
	while (file && (user = fgetpwent(file)) && (name ? strcmp(user->pw_name, name) != 0 : user->pw_uid != uid))
		;
	if (file)
		fclose(file);
	return user;
}

/* Finds a user by name or id. Every number is an id: files and processes have owners without a name. */
bool find_user(const char *text, uid_t *uid)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);
	if (*text >= '0' && *text <= '9' && !*end && number < (uid_t)-1) {
		*uid = (uid_t)number;
		return true;
	}
	struct passwd *user = getpwnam ? getpwnam(text) : in_file(text, 0);
	if (user)
		*uid = user->pw_uid;
	return user;
}

/* Returns NULL if the id has no name. An answer is remembered, because asking for it may take long. */
const char *user_name(uid_t uid)
{
	static struct {
		bool asked;
		uid_t uid;
		char *name;
	} users[USERS], *slot;
	slot = &users[uid % USERS];
	if (!slot->asked || slot->uid != uid) {
		struct passwd *user = getpwuid ? getpwuid(uid) : in_file(NULL, uid);
		free(slot->name);
		slot->asked = true;
		slot->uid = uid;
		slot->name = user ? strdup(user->pw_name) : NULL;
	}
	return slot->name;
}
