#include "suspects.h"

void begin_looks(struct suspects *suspects)
{
	suspects->looked = false;
	suspects->count = suspects->confirmed = 0;
}

bool suspect(struct suspects *suspects, uint64_t key)
{
	size_t i = suspects->confirmed;
	if (!suspects->looked && suspects->count < sizeof(suspects->keys) / sizeof(suspects->keys[0]))
		suspects->keys[suspects->count++] = key;
	while (i < suspects->count && suspects->keys[i] != key)
		i++;
	if (i == suspects->count)
		return false;
	suspects->keys[i] = suspects->keys[suspects->confirmed];
	suspects->keys[suspects->confirmed++] = key;
	return true;
}

size_t end_look(struct suspects *suspects)
{
	suspects->looked = true;
	suspects->count = suspects->confirmed;
	suspects->confirmed = 0;
	return suspects->count;
}
