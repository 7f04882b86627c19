#include "background.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int ready = -1;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

void background_start(void)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		fail("pipe2");
	pid_t child = fork();
	if (child < 0)
		fail("fork");
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
	ready = ends[1];
	setsid(); /* no terminal's signals reach it */
	if (chdir("/") < 0)
		fail("/");
}

void background_ready(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		fail("/dev/null");
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
	if (write(ready, "", 1) != 1)
		exit(1); /* the parent has been killed: nobody wants us */
	close(ready);
}
