/* Remembers the names and ids of tasks, which most events do not carry. */
#include "pcwatch.h"

#include <string.h>

enum { TASKS = 8192, KTHREADD = 2 };

/*
 * /proc has names and ids, but may be ahead of the event, and does not show a task that is gone.
 * What neither /proc nor an earlier event has shown stays unknown: pcwatch does not guess. A pid
 * determines the slot of its task. A new task replaces the earlier task in its slot.
 */
static struct task tasks[TASKS];
static uint64_t event_number;
bool names_tracked, ids_tracked;

struct task *task_of(pid_t pid)
{
	struct task *task = &tasks[(uint32_t)pid % TASKS];
	if (task->pid != pid)
		*task = (struct task){ .pid = pid };
	return task;
}

/*
 * Returns whether the name that pcwatch remembers cannot have changed since. A kernel thread renames
 * itself without an event.
 */
static bool is_current(const struct task *task)
{
	return task->named && ((names_tracked && !task->kernel) || task->named_at == event_number);
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

/* Returns the user ids of a task, as far as they are known. */
struct ids owner_of(pid_t pid)
{
	struct task *task = task_of(pid);
	if (!ids_tracked || !task->uid.known)
		read_ids(pid, &task->uid, &task->gid);
	return task->uid;
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
		if (ids_tracked && !task->uid.known)
			read_ids(task->pid, &task->uid, &task->gid);
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
