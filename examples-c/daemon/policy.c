/*
 * Reads from a file which nice value and cgroup a program gets: one line of NAME NICE [CGROUP] for
 * each. A NICE of "-" leaves the nice value alone. CGROUP is a folder of a cgroup2 file system.
 */
#include "pcpolicyd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

struct rule {
	char name[16]; /* the kernel keeps 15 bytes of a program's name */
	bool renices;
	int nice;
	int procs; /* cgroup.procs of the cgroup; -1: the cgroup is left alone */
};
struct policy {
	size_t count;
	struct rule rules[256];
};
static struct policy current;

/*
 * Opens cgroup.procs when the file is read, at the start before privileges are given up. From Linux
 * 5.16 on, the kernel checks the permission of the opener; older kernels check the writer's.
 */
static int open_cgroup(const char *folder)
{
	char path[300];
	snprintf(path, sizeof(path), "%s/cgroup.procs", folder);
	return open(path, O_WRONLY | O_CLOEXEC);
}

/* Adds the rule of a line, if there is one. Returns NULL, or what is wrong with the line. */
static const char *add_rule(struct policy *policy, char *line)
{
	char name[256], value[256], cgroup[256], excess[256], *end;
	if (strlen(line) == 255 && line[254] != '\n')
		return "a line of more than 254 characters";
	line[strcspn(line, "#\n")] = '\0';
	int words = sscanf(line, "%255s %255s %255s %255s", name, value, cgroup, excess);
	if (words <= 0)
		return NULL;
	if (words != 2 && words != 3)
		return "expected: NAME NICE [CGROUP]";
	bool renices = strcmp(value, "-") != 0;
	long nice = renices ? strtol(value, &end, 10) : 0;
	if (renices && (*end != '\0' || nice < -20 || nice > 19))
		return "a nice value is a number from -20 to 19, or \"-\"";
	if (policy->count == sizeof(policy->rules) / sizeof(policy->rules[0]))
		return "too many rules";
	int procs = words == 3 ? open_cgroup(cgroup) : -1;
	if (words == 3 && procs < 0)
		return strerror(errno);
	struct rule *rule = &policy->rules[policy->count++];
	*rule = (struct rule){ .renices = renices, .nice = (int)nice, .procs = procs };
	snprintf(rule->name, sizeof(rule->name), "%.15s", name);
	return NULL;
}

static void close_cgroups(const struct policy *policy)
{
	for (size_t i = 0; i < policy->count; i++)
		if (policy->rules[i].procs >= 0)
			close(policy->rules[i].procs);
}

/*
 * Reads the file and opens the cgroups. If anything is wrong, reports the error and returns false.
 * The rules that were read before then stay in force.
 */
bool policy_read(const char *path)
{
	static struct policy next;
	char line[256];
	const char *error = NULL;
	int number = 0;
	next.count = 0;
	FILE *file = fopen(path, "re");
	while (file && !error && fgets(line, sizeof(line), file)) {
		number++;
		error = add_rule(&next, line);
	}
	if (!file || ferror(file)) {
		error = strerror(errno);
		report(LOG_ERR, "%s: %s\n", path, error);
	} else if (error) {
		report(LOG_ERR, "%s:%d: %s\n", path, number, error);
	}
	if (file)
		fclose(file);
	close_cgroups(error ? &next : &current);
	if (!error)
		current = next;
	return !error;
}

/* Returns the first rule for a program's name; NULL if there is none. */
const struct rule *policy_find(const char *name)
{
	for (size_t i = 0; i < current.count; i++)
		if (strcmp(current.rules[i].name, name) == 0)
			return &current.rules[i];
	return NULL;
}

/* Linux keeps a nice value per thread. Returns how many threads had another value, or -errno. */
static int renice_threads(pid_t pid, int nice)
{
	char path[32];
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	DIR *tasks = opendir(path);
	if (!tasks)
		return errno == ENOENT ? 0 : -errno; /* ENOENT: the process exited */
	int changed = 0;
	for (struct dirent *entry; changed >= 0 && (entry = readdir(tasks)) != NULL;) {
		id_t task = (id_t)atoi(entry->d_name);
		if (task == 0 || getpriority(PRIO_PROCESS, task) == nice)
			continue;
		if (setpriority(PRIO_PROCESS, task, nice) == 0)
			changed++;
		else if (errno != ESRCH)
			changed = -errno;
	}
	closedir(tasks);
	return changed;
}

/* Reads the name of a process's cgroup; an empty text if the process exited. */
static void read_cgroup(pid_t pid, char text[4096])
{
	snprintf(text, 4096, "/proc/%d/cgroup", pid);
	int fd = open(text, O_RDONLY | O_CLOEXEC);
	ssize_t size = fd >= 0 ? read(fd, text, 4095) : 0;
	text[size > 0 ? size : 0] = '\0';
	if (fd >= 0)
		close(fd);
}

/* Returns 1 if the process was in another cgroup; 0 if it was in this one or exited; or -errno. */
static int move(pid_t pid, int procs)
{
	char before[4096], after[4096];
	read_cgroup(pid, before);
	if (dprintf(procs, "%d", pid) < 0)
		return errno == ESRCH ? 0 : -errno;
	read_cgroup(pid, after);
	return after[0] != '\0' && strcmp(before, after) != 0;
}

/* Gives a process the nice value and cgroup of the rule, and reports what has changed. */
void policy_apply(const struct rule *rule, pid_t pid, const char *prefix)
{
	int reniced = rule->renices ? renice_threads(pid, rule->nice) : 0;
	int moved = rule->procs >= 0 ? move(pid, rule->procs) : 0;
	if (reniced > 0 || moved > 0)
		report(LOG_NOTICE, "%s%s%s%d (%s)\n", prefix, reniced > 0 ? "reniced " : "",
		       moved > 0 ? "moved " : "", pid, rule->name);
	if (reniced < 0 || moved < 0)
		report(LOG_WARNING, "%s%d (%s) cannot be given what it should have: %s\n", prefix,
		       pid, rule->name, strerror(reniced < 0 ? -reniced : -moved));
}
