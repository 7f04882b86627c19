/* Ways to give up, for good, what is no longer needed. A failure ends the program. */
#ifndef DROP_H
#define DROP_H

#include <stddef.h>

/* All user and group ids but nobody's, all capabilities, and the hope for others. */
void drop_privileges(void);

/* All system calls but these: any other ends the process. */
void drop_system_calls(const int *allowed, size_t count);

#endif
