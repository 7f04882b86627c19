/* Functions that give up privileges forever. If one fails, the program exits. */
#ifndef DROP_H
#define DROP_H

#include <stddef.h>

/* Becomes the user and group nobody, and gives up all capabilities and the ways to get others. */
void drop_privileges(void);

/* Allows only these system calls. Any other call kills the process. */
void drop_system_calls(const int *allowed, size_t count);

#endif
