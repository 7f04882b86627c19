/* Finds the cgroup that the user has named, by its path in a hierarchy or in the file system. */
#include "pcwatch.h"

#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool is_directory(const char *path)
{
	struct stat file;
	return stat(path, &file) == 0 && S_ISDIR(file.st_mode);
}

/*
 * Returns the path of a cgroup in the hierarchy that is mounted here; NULL if there is no such cgroup. The
 * path has no slash at its end, unless it is "/".
 */
static char *in_hierarchy(const char *root, const char *path)
{
	char *full, *cgroup = NULL;
	size_t length = strlen(root);
	if (strncmp(path, root, length) == 0 && (!path[length] || path[length] == '/'))
		path += length;
	if (asprintf(&full, "%s/%s", root, path) < 0)
		abort();
	if (is_directory(full))
		cgroup = strdup(*path ? path : "/");
	free(full);
	for (size_t end = cgroup ? strlen(cgroup) : 0; end > 1 && cgroup[end - 1] == '/';)
		cgroup[--end] = '\0';
	return cgroup;
}

/* Returns NULL if no hierarchy has this cgroup. The result is the caller's. */
char *find_cgroup(const char *path)
{
	struct mntent *mount;
	char *cgroup = NULL;
	FILE *mounts = *path == '/' ? setmntent("/proc/self/mounts", "re") : NULL;
	while (mounts && !cgroup && (mount = getmntent(mounts)))
		if (strcmp(mount->mnt_type, "cgroup2") == 0 || strcmp(mount->mnt_type, "cgroup") == 0)
			cgroup = in_hierarchy(mount->mnt_dir, path);
	if (mounts)
		endmntent(mounts);
	return cgroup;
}
