/* Remembers the names and ids of tasks, which most events do not carry. */
#include "pcwatch.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TASKS = 8192, KTHREADD = 2 };

/*
 * /proc has names and ids, but may be ahead of the event, and does not show a task that is gone.
 * What neither /proc nor an earlier event has shown stays unknown: pcwatch does not guess. A pid
 * determines the slot of its task. A new task replaces the earlier task in its slot.
 */
static struct task tasks[TASKS];
static uint64_t event_number;
bool names_tracked;

struct task *task_of(pid_t pid)
{
	struct task *task = &tasks[(uint32_t)pid % TASKS];
	if (task->pid != pid)
		*task = (struct task){ .pid = pid };
	return task;
}

/*
 * Reads a file of /proc/PID by one read(2), which these files answer as a whole, and adds a NUL. Returns
 * the number of bytes read; 0 if the file is empty or the task is gone.
 */
size_t read_proc(pid_t pid, const char *file, char *buffer, size_t size)
{
	/* snprintf() would take a tenth of the time that pcwatch uses for an EXEC, besides system calls. */
	char path[48] = "/proc/", digits[12], *end = path + strlen(path), *digit = digits;
	for (unsigned rest = (unsigned)pid; rest > 0 || digit == digits; rest /= 10)
		*digit++ = (char)('0' + rest % 10);
	while (digit > digits)
		*end++ = *--digit;
	*end++ = '/';
	stpcpy(end, file);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? 0 : read(fd, buffer, size - 1);
	if (fd >= 0)
		close(fd);
	buffer[length > 0 ? length : 0] = '\0';
	return length > 0 ? (size_t)length : 0;
}

/*
 * Returns whether the name that pcwatch remembers cannot have changed since. A kernel thread renames
 * itself without an event.
 */
static bool is_current(const struct task *task)
{
	return task->named && ((names_tracked && !task->kernel) || task->named_at == event_number);
}

/* Returns false, and leaves an empty name, if the task is gone. */
bool read_name(pid_t pid, char name[16])
{
	char comm[80]; /* /proc extends the name of a kernel worker */
	size_t length = read_proc(pid, "comm", comm, sizeof(comm));
	comm[length ? length - 1 : 0] = '\0'; /* a line break */
	snprintf(name, 16, "%.15s", comm);
	return length > 0;
}

/* Returns NULL if the name is unknown. */
const char *name_of(pid_t pid)
{
	struct task *task = task_of(pid);
	if (!is_current(task)) {
		task->named = read_name(pid, task->comm);
		task->named_at = event_number;
	}
	return task->named ? task->comm : NULL;
}

/* Returns what pcwatch knew of a task before the event. */
struct task before(pid_t pid)
{
	struct task task = *task_of(pid);
	task.named = task.named && names_tracked && !task.kernel;
	return task;
}

static void read_ids(struct task *task)
{
	char status[4096];
	read_proc(task->pid, "status", status, sizeof(status));
	/* The task's name precedes these lines but cannot fake them: line breaks are escaped. */
	const char *uid = strstr(status, "\nUid:"), *gid = strstr(status, "\nGid:");
	struct ids *u = &task->uid, *g = &task->gid;
	u->known = uid && sscanf(uid, "\nUid: %u %u", &u->real, &u->effective) == 2;
	g->known = gid && sscanf(gid, "\nGid: %u %u", &g->real, &g->effective) == 2;
}

/* exec_name: with an EXEC, the name that was read for it; empty if the process was gone. */
void learn(const struct pc_event *event, const char *exec_name)
{
	const union pc_event_data *data = &event->data;
	struct task child, *task;
	bool thread;
	event_number++;
	switch (event->kind) {
	case PC_EVENT_FORK:
		thread = data->fork.child_pid != data->fork.child_tgid;
		task = task_of(thread ? data->fork.child_tgid : data->fork.parent_pid);
		if (options.no_threads && data->fork.parent_pid != data->fork.parent_tgid)
			task->named = false; /* no event reports that a thread renames itself */
		name_of(task->pid);
		if (options.events & (PC_MASK_UID | PC_MASK_GID) && !task->uid.known)
			read_ids(task);
		child = *task;
		child.pid = data->fork.child_pid;
		child.kernel = !thread && data->fork.parent_pid == KTHREADD;
		child.named = child.named && !child.kernel; /* it does not keep the name of kthreadd */
		*task_of(child.pid) = child;
		break;
	case PC_EVENT_EXEC:
		task = task_of(data->exec.pid);
		task->kernel = false; /* the kernel itself runs programs, too */
		memcpy(task->comm, exec_name, sizeof(task->comm));
		task->named = *exec_name;
		task->named_at = event_number;
		break;
	case PC_EVENT_COMM:
		task = task_of(data->comm.pid);
		memcpy(task->comm, data->comm.comm, sizeof(task->comm));
		task->named = true;
		task->named_at = event_number;
		break;
	case PC_EVENT_UID:
		task_of(data->uid.pid)->uid = (struct ids){ true, data->uid.ruid, data->uid.euid };
		break;
	case PC_EVENT_GID:
		task_of(data->gid.pid)->gid = (struct ids){ true, data->gid.rgid, data->gid.egid };
		break;
	case PC_EVENT_OVERRUN: /* any name and id may have changed meanwhile */
		memset(tasks, 0, sizeof(tasks));
		break;
	default:
		break;
	}
}
