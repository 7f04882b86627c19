/*
 * Reads the nice value and the cgroup of each program from a file. Each line is NAME NICE [CGROUP].
 * A NICE of "-" leaves the nice value alone. CGROUP is a folder of a cgroup2 file system.
 */
#include "pcpolicyd.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { COMM = 15 }; /* how many bytes of a program's name the kernel keeps */

struct rule {
	char name[256];
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
 * Opens cgroup.procs when the daemon reads the file: at the start, before it gives up privileges.
 * From Linux 5.16 on, the kernel checks the permission of the opener; older kernels check the
 * writer's.
 */
static int open_cgroup(const char *folder)
{
	char path[300];
	snprintf(path, sizeof(path), "%s/cgroup.procs", folder);
	return open(path, O_WRONLY | O_CLOEXEC);
}

/* Decodes the escape after a backslash. Returns its number of bytes; 0 if it is no valid escape. */
static int escaped(const char *text, char *byte)
{
	static const char FROM[] = "\\\"nt", TO[] = "\\\"\n\t";
	const char *found = *text ? strchr(FROM, *text) : NULL;
	unsigned value;
	if (found)
		*byte = TO[found - FROM];
	else if (sscanf(text, "x%2x", &value) == 1 && isxdigit((unsigned char)text[1]) &&
		 isxdigit((unsigned char)text[2]) && value != 0)
		*byte = (char)value;
	else
		return 0;
	return found ? 1 : 3;
}

/*
 * Takes a word from a line. In quotes, a word may have spaces, #, and the escapes \" \\ \n \t \xHH, as
 * pcwatch shows names. Returns 1; 0 at the end of the line; -1 if a quote is out of place.
 */
static int take_word(const char **line, char word[256])
{
	const char *at = *line + strspn(*line, " \t\r\n");
	bool quoted = *at == '"';
	if (*at == '\0' || *at == '#')
		return 0;
	at += quoted;
	size_t size = 0;
	for (; *at != '\0' && !strchr(quoted ? "\"\n" : "\"# \t\r\n", *at); at++) {
		int length = quoted && *at == '\\' ? escaped(at + 1, &word[size]) : 0;
		if (quoted && *at == '\\' && length == 0)
			return -1;
		if (length == 0)
			word[size] = *at;
		at += length;
		size++;
	}
	word[size] = '\0';
	*line = at + (quoted && *at == '"');
	bool complete = quoted ? *at == '"' && strchr("# \t\r\n", at[1]) : *at != '"';
	return complete && size > 0 ? 1 : -1;
}

static const struct rule *find(const struct policy *policy, const char *name)
{
	for (size_t i = 0; i < policy->count; i++)
		if (strcmp(policy->rules[i].name, name) == 0)
			return &policy->rules[i];
	return NULL;
}

/* Adds the rule of a line, if there is one. Returns NULL, or what is wrong with the line. */
static const char *add_rule(struct policy *policy, const char *line)
{
	char words[4][256], *end;
	const char *at = line;
	int count = 0, taken = 1;
	if (strlen(line) == 255 && line[254] != '\n')
		return "a line of more than 254 characters";
	while (count < 4 && (taken = take_word(&at, words[count])) > 0)
		count++;
	if (count == 0 && taken == 0)
		return NULL;
	if (taken < 0 || (count != 2 && count != 3))
		return "expected: NAME NICE [CGROUP]; put a name with a space, #, \" or \\ in quotes, "
		       "as pcwatch shows it";
	const char *name = words[0], *value = words[1];
	if (*name == '/')
		return "the first word is a path; write only the program's name";
	if (line[strspn(line, " \t")] != '"' && strchr(name, '\\'))
		return "put a name with a backslash in quotes";
	if (find(policy, name))
		return "an earlier line has this name";
	bool renices = strcmp(value, "-") != 0;
	long nice = renices ? strtol(value, &end, 10) : 0;
	if (renices && (*end != '\0' || nice < -20 || nice > 19))
		return "the nice value must be a number from -20 to 19, or \"-\"; put a name with a space "
		       "in quotes";
	if (policy->count == sizeof(policy->rules) / sizeof(policy->rules[0]))
		return "too many rules";
	int procs = count == 3 ? open_cgroup(words[2]) : -1;
	if (count == 3 && procs < 0)
		return strerror(errno);
	struct rule *rule = &policy->rules[policy->count++];
	*rule = (struct rule){ .renices = renices, .nice = (int)nice, .procs = procs };
	strcpy(rule->name, name);
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

/* Reads a file of /proc/PID as text. The text is empty if the process exited. */
static size_t read_text(pid_t pid, const char *file, char text[4096])
{
	snprintf(text, 4096, "/proc/%d/%s", pid, file);
	int fd = open(text, O_RDONLY | O_CLOEXEC);
	ssize_t size = fd >= 0 ? read(fd, text, 4095) : 0;
	text[size > 0 ? size : 0] = '\0';
	if (fd >= 0)
		close(fd);
	return size > 0 ? (size_t)size : 0;
}

/* Returns the part of a path after the last slash; for a path of Wine, after the last backslash. */
static const char *file_name(const char *path)
{
	const char *end = path + strlen(path);
	while (end > path && end[-1] != '/' && end[-1] != '\\')
		end--;
	return end;
}

/*
 * Returns the rule for a process whose name in the table is comm; NULL if there is none.
 *
 * A process may rename itself, even before the daemon can look at it. So if there is no rule for its
 * name, the first word of the command line decides. This does not apply to a mere renaming: the
 * process still runs the same program, and already has the values of the rule.
 *
 * The kernel cuts a name to 15 bytes. The command line has the complete name. For a script, the name
 * comes after the interpreter and an option.
 */
const struct rule *policy_find(pid_t pid, const char *comm, bool renamed)
{
	char command[4096];
	bool cut = strlen(comm) == COMM;
	const struct rule *rule = cut ? NULL : find(&current, comm);
	if (rule || (renamed && !cut))
		return rule;
	size_t size = read_text(pid, "cmdline", command);
	if (cut && size == 0)
		return NULL; /* The process is between two programs. A change will report the next one. */
	const char *name = comm;
	for (size_t i = 0, at = 0; cut && i < 3 && at < size; i++, at += strlen(command + at) + 1) {
		if (strncmp(file_name(command + at), comm, COMM) != 0)
			continue;
		name = file_name(command + at);
		break;
	}
	rule = cut ? find(&current, name) : NULL;
	return rule || renamed ? rule : find(&current, file_name(command));
}

/*
 * Linux keeps a nice value per thread. If from is not NULL, only the threads that have this value get
 * the new one. Returns how many threads had another value, or -errno.
 */
static int renice_threads(pid_t pid, int nice, const int *from)
{
	char path[32];
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	DIR *tasks = opendir(path);
	if (!tasks)
		return errno == ENOENT ? 0 : -errno; /* ENOENT: the process exited */
	int changed = 0;
	for (struct dirent *entry; changed >= 0 && (entry = readdir(tasks)) != NULL;) {
		id_t task = (id_t)atoi(entry->d_name);
		int has = task != 0 ? getpriority(PRIO_PROCESS, task) : nice;
		if (has == nice || (from && has != *from))
			continue;
		if (setpriority(PRIO_PROCESS, task, nice) == 0)
			changed++;
		else if (errno != ESRCH)
			changed = -errno;
	}
	closedir(tasks);
	return changed;
}

/*
 * Returns 1 if the process was in another cgroup; 0 if it was in this one or exited; or -errno. If
 * from is not NULL, moves only a process that is in that cgroup.
 */
static int move(pid_t pid, int procs, const char *from)
{
	char before[4096], after[4096];
	read_text(pid, "cgroup", before);
	if (from && strcmp(before, from) != 0)
		return 0;
	if (dprintf(procs, "%d", pid) < 0)
		return errno == ESRCH ? 0 : -errno;
	read_text(pid, "cgroup", after);
	return after[0] != '\0' && strcmp(before, after) != 0;
}

/* Reads the values that the children of a process have inherited from it. */
void policy_inherited(pid_t pid, struct inherited *values)
{
	values->nice = getpriority(PRIO_PROCESS, (id_t)pid);
	read_text(pid, "cgroup", values->cgroup);
}

/*
 * Gives a process the nice value and cgroup of the rule, and reports what has changed. For a
 * descendant, inherited has the values that it inherited, and only those are replaced. Otherwise,
 * inherited is NULL. Returns whether anything has changed.
 */
bool policy_apply(const struct rule *rule, pid_t pid, const struct inherited *inherited,
		  const char *prefix)
{
	int reniced = rule->renices ? renice_threads(pid, rule->nice, inherited ? &inherited->nice : NULL) : 0;
	int moved = rule->procs >= 0 ? move(pid, rule->procs, inherited ? inherited->cgroup : NULL) : 0;
	const char *child = inherited ? "a child of " : "";
	if (reniced > 0 || moved > 0)
		report(LOG_NOTICE, "%s%s%s%d (%s%s)\n", prefix, reniced > 0 ? "reniced " : "",
		       moved > 0 ? "moved " : "", pid, child, rule->name);
	if (reniced < 0 || moved < 0)
		report(LOG_WARNING, "%s%d (%s%s): cannot set its nice value or cgroup: %s\n", prefix,
		       pid, child, rule->name, strerror(reniced < 0 ? -reniced : -moved));
	return reniced > 0 || moved > 0;
}

const char *policy_name(const struct rule *rule)
{
	return rule->name;
}
