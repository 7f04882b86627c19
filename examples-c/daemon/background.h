/*
 * How a daemon goes into the background: its parent, and so the shell, waits until it is ready, and
 * ends with its exit status if it fails before. Until then errors reach the terminal.
 */
#ifndef BACKGROUND_H
#define BACKGROUND_H

/* Returns in the child alone. Call it before anything that belongs to one process is opened. */
void background_start(void);

/* The parent ends with 0. From now on, stdin, stdout and stderr are /dev/null. */
void background_ready(void);

#endif
