/*
 * What differs at each of several looks. Other processes come, change and go at any time, so that one
 * look proves nothing; what differs at every look is wrong.
 */
#ifndef SUSPECTS_H
#define SUSPECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct suspects {
	bool looked; /* once at least */
	size_t count, confirmed;
	uint64_t keys[65536];
};

/* Forgets all looks. */
void begin_looks(struct suspects *suspects);
/* This differs now. Whether it did at every look before. */
bool suspect(struct suspects *suspects, uint64_t key);
/* Ends a look: how many have differed each time so far. */
size_t end_look(struct suspects *suspects);

#endif
