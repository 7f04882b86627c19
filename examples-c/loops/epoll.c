/*
 * Process events in a level-triggered epoll loop: what one wake-up leaves in the queue makes the
 * next.
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
	watch(epoll, pc_fd(pc), EPOLLIN);
	watch(epoll, stop, EPOLLIN);
	watch(epoll, second, EPOLLIN);

	int result = 0;
	for (bool running = true; running && result >= 0;) {
		struct epoll_event ready[DESCRIPTORS];
		int count = epoll_wait(epoll, ready, DESCRIPTORS, -1);
		for (int i = 0; i < count && result >= 0; i++) {
			if (ready[i].data.fd == pc_fd(pc)) {
				result = processes_drain(pc);
			} else if (ready[i].data.fd == second) {
				seconds_passed(second);
				result = processes_check(pc);
			} else {
				running = false;
			}
		}
	}
	close(epoll);
	close(second);
	close(stop);
	pc_close(pc);
	return result < 0;
}
