#include "policy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { RULES = 256 };
static struct rule {
	char name[16]; /* the kernel keeps no more of it */
	bool renices;
	int nice;
	int procs; /* cgroup.procs, to be written to; -1: its cgroup is left alone */
} rules[RULES];
static size_t count;
char policy_name[16];

static void reject(const char *path, int line, const char *why)
{
	fprintf(stderr, "%s:%d: %s\n", path, line, why);
	exit(1);
}

/* Opened by whoever may: Linux 5.16 asks what the opener was allowed, older ones ask the writer. */
static int open_cgroup(const char *folder)
{
	char path[300];
	snprintf(path, sizeof(path), "%s/cgroup.procs", folder);
	return open(path, O_WRONLY | O_CLOEXEC);
}

void policy_read(const char *path)
{
	FILE *file = fopen(path, "re");
	if (!file) {
		perror(path);
		exit(1);
	}
	char line[256];
	for (int number = 1; fgets(line, sizeof(line), file); number++) {
		char name[256], value[256], cgroup[256], excess[256], *end;
		if (!strchr(line, '\n') && !feof(file))
			reject(path, number, "a line of more than 254 characters");
		line[strcspn(line, "#\n")] = '\0';
		int words = sscanf(line, "%255s %255s %255s %255s", name, value, cgroup, excess);
		if (words <= 0)
			continue;
		if (words != 2 && words != 3)
			reject(path, number, "expected: NAME NICE [CGROUP]");
		bool renices = strcmp(value, "-") != 0;
		long nice = renices ? strtol(value, &end, 10) : 0;
		if (renices && (*end != '\0' || nice < -20 || nice > 19))
			reject(path, number, "a nice value is a number from -20 to 19, or \"-\"");
		if (count == RULES)
			reject(path, number, "too many rules");
		struct rule *rule = &rules[count++];
		snprintf(rule->name, sizeof(rule->name), "%.15s", name);
		rule->renices = renices;
		rule->nice = (int)nice;
		rule->procs = words == 3 ? open_cgroup(cgroup) : -1;
		if (words == 3 && rule->procs < 0)
			reject(path, number, strerror(errno));
	}
	if (ferror(file)) {
		perror(path);
		exit(1);
	}
	fclose(file);
}

/* What one read of /proc/PID/NAME gives, without its last line feed. False: the process has ended. */
static bool read_proc(pid_t pid, const char *name, char *text, size_t room)
{
	char path[32];
	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t size = read(fd, text, room);
	close(fd);
	if (size <= 0)
		return false;
	text[size - 1] = '\0';
	return true;
}

/* To Linux, a nice value is a thread's. Returns how many threads had another one, or -errno. */
static int renice_threads(pid_t pid, int nice)
{
	char path[32];
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	DIR *tasks = opendir(path);
	int changed = 0;
	for (struct dirent *entry; tasks && (entry = readdir(tasks)) != NULL;) {
		id_t task = (id_t)atoi(entry->d_name);
		if (task == 0 || getpriority(PRIO_PROCESS, task) == nice)
			continue;
		if (setpriority(PRIO_PROCESS, task, nice) == 0)
			changed++;
		else if (errno != ESRCH)
			changed = -errno;
		if (changed < 0)
			break;
	}
	if (tasks)
		closedir(tasks);
	return changed;
}

/* Returns 1 if it was in another cgroup, 0, or -errno. */
static int move(pid_t pid, int procs)
{
	char before[4096], after[4096];
	if (!read_proc(pid, "cgroup", before, sizeof(before)))
		return 0;
	if (dprintf(procs, "%d", pid) < 0)
		return errno == ESRCH ? 0 : -errno;
	return read_proc(pid, "cgroup", after, sizeof(after)) && strcmp(before, after) != 0;
}

int policy_apply(pid_t pid)
{
	if (!read_proc(pid, "comm", policy_name, sizeof(policy_name)))
		return 0;
	for (size_t i = 0; i < count; i++) {
		const struct rule *rule = &rules[i];
		if (strcmp(rule->name, policy_name) != 0)
			continue;
		int reniced = rule->renices ? renice_threads(pid, rule->nice) : 0;
		int moved = rule->procs >= 0 ? move(pid, rule->procs) : 0;
		if (reniced < 0 || moved < 0)
			return reniced < 0 ? reniced : moved;
		return (reniced > 0 ? POLICY_RENICED : 0) | (moved > 0 ? POLICY_MOVED : 0);
	}
	return 0;
}
