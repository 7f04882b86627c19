/* Starts the view that the options select. */
#include "pcwatch.h"

#include <fcntl.h>
#include <locale.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	/* If stdout were closed, the next descriptor to be opened would take its place. */
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return 1;
	setlocale(LC_CTYPE, "");
	parse_options(argc, argv);
	/* exit() would flush stdout, and would block if the reader of a pipe no longer reads. */
	_exit(run(options.tree ? &tree_view : options.ends ? &end_view : &event_view));
}
