#include "policy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { RULES = 256 };
static struct rule {
	char name[16]; /* the kernel keeps no more of it */
	int nice;
} rules[RULES];
static size_t count;
char policy_name[16];

static void reject(const char *path, int line, const char *why)
{
	fprintf(stderr, "%s:%d: %s\n", path, line, why);
	exit(1);
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
		char name[256], value[256], excess[256], *end;
		line[strcspn(line, "#\n")] = '\0';
		int words = sscanf(line, "%255s %255s %255s", name, value, excess);
		if (words <= 0)
			continue;
		if (words != 2)
			reject(path, number, "expected: NAME NICE");
		long nice = strtol(value, &end, 10);
		if (*end != '\0' || nice < -20 || nice > 19)
			reject(path, number, "a nice value is a number from -20 to 19");
		if (count == RULES)
			reject(path, number, "too many rules");
		struct rule *rule = &rules[count++];
		snprintf(rule->name, sizeof(rule->name), "%.15s", name);
		rule->nice = (int)nice;
	}
	fclose(file);
}

/* The program's name, as the kernel gave it at exec. False if the process has ended. */
static int read_name(pid_t pid)
{
	char path[32];
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t size = read(fd, policy_name, sizeof(policy_name));
	close(fd);
	if (size <= 0)
		return 0;
	policy_name[size - 1] = '\0'; /* in place of a line feed */
	return 1;
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

int policy_apply(pid_t pid)
{
	if (!read_name(pid))
		return 0;
	for (size_t i = 0; i < count; i++) {
		if (strcmp(rules[i].name, policy_name) != 0)
			continue;
		int changed = renice_threads(pid, rules[i].nice);
		return changed > 0 ? 1 : changed;
	}
	return 0;
}
