/*
 * Process events in an edge-triggered epoll loop. The kernel tells of arrivals, not of what is left:
 * as long as the queue was not seen empty, the loop comes back by itself.
 */
#include "descriptors.h"
#include "processes.h"

#include <sys/epoll.h>
#include <unistd.h>

int main(void)
{
	enum { DESCRIPTORS = 3 };
	struct pc_connector *pc;
	int stop = stop_signals(), second = seconds(), epoll = epoll_create1(EPOLL_CLOEXEC);
	if (processes_open(&pc) < 0)
		return 1;
	watch(epoll, pc_fd(pc), EPOLLIN | EPOLLET);
	watch(epoll, stop, EPOLLIN | EPOLLET);
	watch(epoll, second, EPOLLIN | EPOLLET);

	int more = 0; /* what processes_drain() said last */
	for (bool running = true; running && more >= 0;) {
		struct epoll_event ready[DESCRIPTORS];
		int count = epoll_wait(epoll, ready, DESCRIPTORS, more ? 0 : -1);
		for (int i = 0; i < count && more >= 0; i++) {
			if (ready[i].data.fd == pc_fd(pc)) {
				more = 1;
			} else if (ready[i].data.fd == second) {
				seconds_passed(second);
				if (pc_check(pc) == 1)
					more = 1;
			} else {
				running = false;
			}
		}
		if (more > 0)
			more = processes_drain(pc);
	}
	close(epoll);
	close(second);
	close(stop);
	pc_close(pc);
	return more < 0;
}
