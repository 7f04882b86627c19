/*
 * Nothing is allocated between pc_open() and pc_close(): asserted. The functions below stand before
 * the C library's for the shared library too, because the executable's symbols come first.
 */
#include "../tests/c/support.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static long allocations;

#define REAL(name) ((__typeof__(&name))(uintptr_t)dlsym(RTLD_NEXT, #name))

#define COUNTED(type, name, parameters, arguments)                                                 \
	type name parameters                                                                       \
	{                                                                                          \
		static __typeof__(&name) real;                                                     \
		if (!real)                                                                         \
			real = REAL(name);                                                         \
		allocations++;                                                                     \
		return real arguments;                                                             \
	}

COUNTED(void *, malloc, (size_t size), (size))
COUNTED(void *, calloc, (size_t count, size_t size), (count, size))
COUNTED(void *, realloc, (void *memory, size_t size), (memory, size))
COUNTED(void *, aligned_alloc, (size_t alignment, size_t size), (alignment, size))
COUNTED(int, posix_memalign, (void **memory, size_t alignment, size_t size),
	(memory, alignment, size))

/* All that can be done with a handle, losses included. */
static void use(struct pc_connector *pc)
{
	struct pc_options exits = PC_OPTIONS_INIT;
	exits.events = PC_MASK_EXIT;
	struct pc_event event;
	char line[256];
	flood(2000);
	CHECK_EQ(pc_recv(pc, &event, -1), 1);
	CHECK(pc_event_format(&event, line, sizeof(line)) > 0);
	CHECK(drain(pc) > 0);
	CHECK(stats_of(pc).lost > 0);
	CHECK_EQ(pc_interrupt(pc), 0);
	CHECK(pc_recv(pc, &event, -1) < 0);
	CHECK_EQ(pc_set_filter(pc, &exits), 0);
	CHECK_EQ(pc_unsubscribe(pc), 0);
	CHECK_EQ(pc_subscribe(pc), 0);
	CHECK(pc_check(pc) >= 0);
	CHECK_EQ(pc_process_alive(1), 1);
}

int main(void)
{
	struct pc_connector *pc = open_connector(0, 0, 212992);
	CHECK(allocations > 0); /* they are counted */
	allocations = 0;
	use(pc);
	CHECK_EQ(allocations, 0);
	pc_close(pc);
	printf("allocations\tafter pc_open\t%ld\n", allocations);
	return 0;
}
