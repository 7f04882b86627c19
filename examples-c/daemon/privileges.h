#ifndef PRIVILEGES_H
#define PRIVILEGES_H

/*
 * Becomes this user, unless that is NULL, and keeps of all capabilities this one. It cannot be
 * undone. A failure, which is said on stderr, ends the program.
 */
void privileges_keep_only(int capability, const char *user);

#endif
