/*
 * When a process gets a nice value and a cgroup, gives the same values to the descendants that it
 * forked before. Later descendants inherit them. A descendant keeps values of its own, and those
 * that its own rule sets.
 */
#include "pcpolicyd.h"

#include <errno.h>
#include <proc_connector.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/*
 * The last processes that got other values. The starts of their children may still be queued. If a
 * child's start comes after even more processes got values, the child keeps the values that it has.
 */
enum { RECENT = 64 };
static struct application recent[RECENT];
static size_t recent_count;

static void remember(const struct application *application, uint64_t id, uint64_t since_ns)
{
	struct application *slot = &recent[recent_count++ % RECENT];
	*slot = *application;
	slot->id = id;
	slot->since_ns = since_ns;
}

void children_forget(void)
{
	memset(recent, 0, sizeof(recent));
}

/* Applies the rule of an ancestor to a process. Returns false if it has a rule of its own. */
static bool apply(struct pc_table *table, const struct pc_process *child,
		  const struct application *application, const char *prefix)
{
	if (!(child->valid & PC_FIELD_COMM) || policy_find(child->pid, child->comm, false) ||
	    !process_is_current(child, application->rule, prefix))
		return false;
	if (policy_apply(application->rule, child->pid, &application->inherited, prefix)) {
		pc_table_set_user(table, child->pid, clock_ns(CLOCK_BOOTTIME));
		remember(application, child->id, 0);
	}
	return true;
}

struct node {
	struct pc_process process;
	size_t first_child, sibling; /* indices; 0: none */
	size_t queued; /* the index of the process whose children are looked at next */
};

/* Returns the index of a process in nodes[1] to nodes[count], which are sorted by pid; 0: none. */
static size_t find(const struct node *nodes, size_t count, pid_t pid, uint64_t id)
{
	size_t low = 1, high = count + 1;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (nodes[middle].process.pid < pid)
			low = middle + 1;
		else
			high = middle;
	}
	return low <= count && nodes[low].process.id == id ? low : 0;
}

/* Reads the table into nodes[1] and those that follow, and links them. Returns how many there are. */
static size_t read_tree(const struct pc_table *table, struct node *nodes, size_t room)
{
	size_t count = 0;
	uint64_t cursor = 0;
	while (count < room && pc_table_each(table, &cursor, &nodes[count + 1].process) == 1)
		count++;
	for (size_t i = 1; i <= count; i++) {
		const struct pc_process *process = &nodes[i].process;
		struct node *parent = &nodes[find(nodes, count, process->parent_pid, process->parent_id)];
		nodes[i].sibling = parent->first_child;
		parent->first_child = i;
	}
	return count;
}

/* Applies the rule of a process to the descendants that are in the table. */
void children_apply(struct pc_table *table, const struct pc_process *parent,
		    const struct application *application, const char *prefix)
{
	size_t room = pc_table_count(table), known = 1;
	struct node *nodes = calloc(room + 1, sizeof(*nodes));
	remember(application, application->id, application->since_ns);
	if (!nodes) {
		report(LOG_WARNING, "%schildren of %d: %s\n", prefix, parent->pid, strerror(errno));
		return;
	}
	size_t count = read_tree(table, nodes, room);
	nodes[0].queued = find(nodes, count, parent->pid, parent->id);
	for (size_t i = 0; i < known && nodes[i].queued != 0; i++) {
		size_t at = nodes[nodes[i].queued].first_child;
		for (; at != 0; at = nodes[at].sibling) {
			const struct pc_process *child = &nodes[at].process;
			if ((i > 0 || child->start_boottime_ns >= application->since_ns) &&
			    apply(table, child, application, prefix))
				nodes[known++].queued = at;
		}
	}
	free(nodes);
}

/* Applies a parent's rule to a process whose start is reported after the rule was applied to the parent. */
void children_late(struct pc_table *table, const struct pc_process *child)
{
	struct pc_process parent;
	if (pc_table_get(table, child->parent_pid, &parent) != 1 || parent.id != child->parent_id ||
	    parent.user < child->start_boottime_ns)
		return;
	for (size_t i = 0; i < RECENT; i++) {
		const struct application application = recent[i];
		if (application.id == parent.id && child->start_boottime_ns >= application.since_ns)
			apply(table, child, &application, "");
	}
}
