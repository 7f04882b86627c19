/* Messages that are not the kernel's. */
#include "support.h"

#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Sends the datagram to one port, or to the group when port is 0. False if the port's queue is full. */
static bool try_to_forge(const void *datagram, size_t size, uint32_t port)
{
	int fd = raw_socket(false);
	struct sockaddr_nl address = { .nl_family = AF_NETLINK,
				       .nl_pid = port,
				       .nl_groups = port ? 0 : 1 };
	ssize_t sent = sendto(fd, datagram, size, 0, (struct sockaddr *)&address, sizeof(address));
	if (sent < 0 && errno == EPERM)
		skip("only who has CAP_NET_ADMIN can forge");
	CHECK(sent == (ssize_t)size || errno == EAGAIN);
	close(fd);
	return sent == (ssize_t)size;
}

static void send_forged(const void *datagram, size_t size, uint32_t port)
{
	CHECK(try_to_forge(datagram, size, port));
}

static uint32_t port_of(int fd)
{
	struct sockaddr_nl address;
	socklen_t size = sizeof(address);
	CHECK_EQ(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	return address.nl_pid;
}

static void check_dropped(bool multicast, size_t batch)
{
	struct pc_connector *pc = open_connector(0, 0, 0);
	unsigned char datagram[EVENT_SIZE];
	make_exec(datagram, 4194303);
	uint32_t port = multicast ? 0 : port_of(pc_fd(pc));
	for (int i = 0; i < 10; i++)
		send_forged(datagram, sizeof(datagram), port);
	rename_self("after the forger");
	struct pc_event events[64];
	for (bool genuine = false; !genuine;) {
		int result = batch == 1 ? pc_recv(pc, events, PATIENCE_MS)
					: pc_recv_many(pc, events, batch, PATIENCE_MS);
		CHECK(result > 0);
		for (int i = 0; i < result; i++) {
			CHECK(pc_event_tgid(&events[i]) != 4194303);
			genuine |= events[i].kind == PC_EVENT_COMM &&
				   pc_event_tgid(&events[i]) == getpid();
		}
	}
	CHECK(stats_of(pc).foreign >= 10);
	CHECK_EQ(stats_of(pc).malformed, 0);
	pc_close(pc);
}

PROMISE(unicast, "pc_recv discards and counts a message forged for this socket")
{
	check_dropped(false, 1);
}

PROMISE(multicast, "pc_recv discards and counts a message forged for the group")
{
	check_dropped(true, 1);
}

PROMISE(unicast_many, "pc_recv_many discards and counts a message forged for this socket")
{
	check_dropped(false, 64);
}

PROMISE(multicast_many, "pc_recv_many discards and counts a message forged for the group")
{
	check_dropped(true, 64);
}

PROMISE(only_forged, "a descriptor that is readable only for forged messages gives 0 events")
{
	struct pc_connector *pc = open_connector(PC_MASK_EXEC, 0, 0);
	unsigned char datagram[EVENT_SIZE];
	make_exec(datagram, 4194303);
	for (int i = 0; i < 3; i++)
		send_forged(datagram, sizeof(datagram), port_of(pc_fd(pc)));
	struct pc_event event;
	while (pc_recv(pc, &event, 0) == 1)
		CHECK(pc_event_tgid(&event) != 4194303);
	CHECK_EQ(stats_of(pc).foreign, 3);
	pc_close(pc);
}

PROMISE(large_forged, "losses that a few large forged messages cause are reported while the queue is readable")
{
	struct pc_connector *pc = open_connector(PC_MASK_EXEC | PC_MASK_COMM, 0, 16384);
	static unsigned char large[12000];
	make_exec(large, 4194303);
	/* One fills the queue, unless the events of others have; the renames after it are lost, all or
	 * most of them. */
	while (!try_to_forge(large, sizeof(large), port_of(pc_fd(pc))))
		drain(pc);
	struct pc_stats before = stats_of(pc);
	flood(50);
	struct pc_event event;
	CHECK_EQ(pc_recv(pc, &event, 0), 1);
	uint64_t announced = 0;
	for (int result = 1; result == 1; result = pc_recv(pc, &event, 0))
		if (event.kind == PC_EVENT_OVERRUN)
			announced += event.data.overrun.lost;
	struct pc_stats stats = stats_of(pc);
	CHECK(announced > 0);
	CHECK_EQ(stats.lost - before.lost, announced);
	CHECK(announced + stats.received - before.received >= 50);
	CHECK_EQ(stats.foreign, 1);
	pc_close(pc);
}

PROMISE(forged_flood, "a flood of forged messages does not hold up a call with timeout 0")
{
	struct pc_connector *pc = open_connector(PC_MASK_EXEC, 0, 8192);
	uint32_t port = port_of(pc_fd(pc));
	pid_t forgers[2];
	unsigned char first[EVENT_SIZE];
	make_exec(first, 4194303);
	send_forged(first, sizeof(first), port); /* or this is skipped */
	for (int i = 0; i < 2; i++) {
		forgers[i] = fork();
		if (forgers[i] == 0) {
			unsigned char datagram[EVENT_SIZE];
			struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_pid = port };
			int fd = raw_socket(false);
			make_exec(datagram, 4194303);
			for (;;)
				sendto(fd, datagram, sizeof(datagram), MSG_DONTWAIT,
				       (struct sockaddr *)&address, sizeof(address));
		}
	}
	struct pc_event event;
	while (stats_of(pc).foreign < 10000)
		CHECK(pc_recv(pc, &event, 0) >= 0);
	uint64_t begun = now_ns();
	CHECK_EQ(pc_recv(pc, &event, 50) & ~1, 0);
	CHECK(now_ns() - begun < PATIENCE_MS * 1000000ull);
	for (int i = 0; i < 2; i++)
		stop_flood(forgers[i]);
	pc_close(pc);
}
