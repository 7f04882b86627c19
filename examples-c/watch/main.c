/* Shows the process events, ends, or tree of the whole machine: see --help. */
#include "watch.h"

#include <fcntl.h>
#include <locale.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	/* What is opened here must not become stdout or stderr. */
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return 1;
	setlocale(LC_CTYPE, "");
	parse_options(argc, argv);
	/* exit() would write what could not be written. */
	_exit(run(options.tree ? &tree_view : options.ends ? &end_view : &event_view));
}
