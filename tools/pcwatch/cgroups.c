/* What the path of a cgroup says: the container, and whether the cgroup is in a subtree. */
#include "pcwatch.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { ID_LENGTH = 64 }; /* of the ids that Docker, Podman, containerd and CRI-O give */

static bool is_id(const char *text, size_t length)
{
	size_t digits = 0;
	while (digits < length && strchr("0123456789abcdef", text[digits]))
		digits++;
	return digits == length && length == ID_LENGTH;
}

/* Copies the part of a name between a prefix and a suffix. Returns NULL if it does not have both. */
static const char *between(const char *name, size_t length, const char *prefix, const char *suffix,
			   char buffer[CONTAINER_MAX])
{
	size_t before = strlen(prefix), after = strlen(suffix);
	if (length <= before + after || strncmp(name, prefix, before) != 0 ||
	    strncmp(name + length - after, suffix, after) != 0)
		return NULL;
	snprintf(buffer, CONTAINER_MAX, "%.*s", (int)(length - before - after), name + before);
	return buffer;
}

/* For each container, CRI-O and Podman run a monitor outside of it, in a scope such as "crio-conmon-ID.scope". */
static bool ends_in_monitor(const char *name, size_t length)
{
	return length >= 7 && strncmp(name + length - 7, "conmon-", 7) == 0;
}

/*
 * Returns the container that one component of a path names; NULL if it names none. An id may stand behind
 * the name of its engine, as in "docker-ID.scope".
 */
static const char *named(const char *name, size_t length, char buffer[CONTAINER_MAX])
{
	size_t end = length > 6 && strncmp(name + length - 6, ".scope", 6) == 0 ? length - 6 : length;
	size_t start = end > ID_LENGTH ? end - ID_LENGTH : 0;
	if (is_id(name + start, end - start) && (start == 0 || !isalnum((unsigned char)name[start - 1])) &&
	    !ends_in_monitor(name, start)) {
		snprintf(buffer, CONTAINER_MAX, "%.*s", ID_LENGTH, name + start);
		return buffer;
	}
	const char *container = between(name, length, "lxc.payload.", "", buffer);
	return container ? container : between(name, length, "machine-", ".scope", buffer); /* systemd-machined */
}

/* Returns the innermost container of a cgroup; NULL if it is in none. */
const char *container_of(const char *cgroup, char buffer[CONTAINER_MAX])
{
	const char *container = NULL;
	for (size_t length; *cgroup; cgroup += length) {
		cgroup += *cgroup == '/';
		length = strcspn(cgroup, "/");
		const char *inner = named(cgroup, length, buffer);
		container = inner ? inner : container;
	}
	return container;
}

/* Returns whether a cgroup is this subtree's root, or below it. */
bool is_within(const char *cgroup, const char *subtree)
{
	size_t length = strlen(subtree);
	if (length == 1) /* "/" */
		return true;
	return strncmp(cgroup, subtree, length) == 0 && (!cgroup[length] || cgroup[length] == '/');
}
