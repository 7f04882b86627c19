/* Process events in a loop of poll(2). */
#include "descriptors.h"
#include "processes.h"

#include <poll.h>
#include <unistd.h>

int main(void)
{
	enum { EVENTS, STOP, SECOND, COUNT };
	struct pc_connector *pc;
	int stop = stop_signals(), second = seconds();
	if (processes_open(&pc) < 0)
		return 1;
	struct pollfd ready[COUNT] = {
		[EVENTS] = { .fd = pc_fd(pc), .events = POLLIN },
		[STOP] = { .fd = stop, .events = POLLIN },
		[SECOND] = { .fd = second, .events = POLLIN },
	};
	int result = 0;
	while (result >= 0 && !ready[STOP].revents) {
		poll(ready, COUNT, -1);
		/* POLLERR and POLLHUP, too, are explained by what pc_recv() returns. */
		if (ready[EVENTS].revents)
			result = processes_drain(pc);
		if (ready[SECOND].revents && result >= 0) {
			seconds_passed(second);
			result = processes_check(pc);
		}
	}
	close(second);
	close(stop);
	pc_close(pc);
	return result < 0;
}
