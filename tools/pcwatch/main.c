/* Starts the view that the options select. */
#include "pcwatch.h"

#include <fcntl.h>
#include <locale.h>
#include <string.h>
#include <unistd.h>

enum { FAILED_WITH_COMMAND = 125 }; /* as of env(1) and timeout(1), because 1 may be the command's status */

static const struct view *view(void)
{
	return options.tree ? &tree_view : options.ends || options.family ? &life_view : &event_view;
}

static int cannot_write(void)
{
	fprintf(stderr, NAME ": %s: %s\n", options.output, strerror(errno));
	return 1;
}

int main(int argc, char **argv)
{
	/* If stdout were closed, the next descriptor to be opened would take its place. */
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return 1;
	setlocale(LC_CTYPE, "");
	parse_options(argc, argv);
	take_descriptors();
	if (options.command && (options.family = start_job()) < 0) {
		fprintf(stderr, NAME ": cannot start a process: %s\n", strerror(errno));
		return FAILED_WITH_COMMAND;
	}
	int status = redirect_output() < 0 ? cannot_write() : run(view());
	if (options.command)
		status = status == 1 ? FAILED_WITH_COMMAND : status ? status : end_job();
	/* exit() would flush stdout, and would block if the reader of a pipe no longer reads. */
	_exit(status);
}
