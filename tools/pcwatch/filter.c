/* Judges whether a process is one that the user wants to see. */
#include "pcwatch.h"

#include <fnmatch.h>

bool has_filter(void)
{
	return options.pid || options.by_user || options.name || options.cgroup;
}

static enum verdict both(enum verdict a, enum verdict b)
{
	if (a == UNWANTED || b == UNWANTED)
		return UNWANTED;
	return a == UNDECIDED ? a : b;
}

static enum verdict is(bool known, bool wanted)
{
	return !known ? UNDECIDED : wanted ? WANTED : UNWANTED;
}

enum verdict judge(const struct candidate *candidate)
{
	const char *name = candidate->name;
	enum verdict verdict = WANTED;
	if (options.pid)
		verdict = is(true, candidate->pid == options.pid || candidate->parent == options.pid);
	if (options.by_user)
		verdict = both(verdict, is(candidate->owner.known, candidate->owner.effective == options.user));
	if (options.name)
		verdict = both(verdict, is(name, name && fnmatch(options.name, name, 0) == 0));
	if (options.cgroup)
		verdict = both(verdict, candidate->in_cgroup);
	return verdict;
}

/* Returns whether a cgroup is below that of --cgroup. */
enum verdict judge_cgroup(const struct text *cgroup)
{
	return is(cgroup->known, cgroup->known && is_within(cgroup->bytes, options.cgroup));
}
