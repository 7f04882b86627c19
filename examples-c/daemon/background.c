/*
 * Moves the daemon into the background. The parent, and so the shell, waits until the daemon is
 * ready. If the daemon fails first, the parent exits with the daemon's exit status. Until the
 * daemon is ready, its errors reach the terminal.
 */
#include "pcpolicyd.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int parent = -1; /* the pipe on which the parent waits */

/*
 * Forks, and returns in the child only. Call it before pc_table_open(): a table belongs to the
 * process that opened it.
 */
void background_start(void)
{
	int ends[2];
	require(pipe2(ends, O_CLOEXEC), "pipe2");
	pid_t child = require(fork(), "fork");
	if (child > 0) {
		char byte;
		int status;
		close(ends[1]);
		if (read(ends[0], &byte, 1) == 1)
			_exit(0);
		waitpid(child, &status, 0);
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
	}
	close(ends[0]);
	parent = ends[1];
	setsid(); /* the terminal's signals no longer reach this process */
	require(chdir("/"), "/");
}

/* Lets the parent exit with 0 and leaves the terminal. Does nothing in the foreground. */
void background_ready(void)
{
	if (parent < 0)
		return;
	int null = require(open("/dev/null", O_RDWR | O_CLOEXEC), "/dev/null");
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
	if (write(parent, "", 1) != 1)
		exit(1); /* the parent was killed, so the daemon is no longer wanted */
	close(parent);
}
