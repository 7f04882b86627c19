/* A program that opens and closes, and nothing else. With an argument it tells its size in KiB. */
#include <stdio.h>
#include <unistd.h>

#if defined(WITH_OURS)
#include <proc_connector.h>
#elif defined(WITH_MNL)
#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#endif

static int open_and_close(void)
{
#if defined(WITH_OURS)
	struct pc_connector *pc;
	if (pc_open(&pc, NULL) != 0)
		return 1;
	pc_close(pc);
#elif defined(WITH_MNL)
	struct mnl_socket *socket = mnl_socket_open(NETLINK_CONNECTOR);
	if (!socket || mnl_socket_bind(socket, 1, MNL_SOCKET_AUTOPID) != 0)
		return 1;
	mnl_socket_close(socket);
#endif
	return 0;
}

int main(int argc, char **argv)
{
	int result = open_and_close();
	if (argc > 1) {
		long pages = 0;
		FILE *file = fopen("/proc/self/statm", "r");
		if (!file || fscanf(file, "%*d %ld", &pages) != 1)
			return 1;
		printf("rss\t%s\t%ld\n", argv[1], pages * (sysconf(_SC_PAGESIZE) / 1024));
	}
	(void)argv;
	return result;
}
