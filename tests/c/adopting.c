/* Sockets that somebody else made. */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/cn_proc.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static struct pc_connector *adopt(int fd, uint32_t events, uint32_t flags)
{
	struct pc_options options = PC_OPTIONS_INIT;
	options.events = events;
	options.flags = flags;
	struct pc_connector *pc = NULL;
	CHECK_EQ(pc_open_fd(&pc, fd, &options), 0);
	CHECK_EQ(pc_fd(pc), fd);
	CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
	CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	return pc;
}

static int netlink(int type, int protocol, uint32_t groups)
{
	int fd = socket(AF_NETLINK, type, protocol);
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = groups };
	CHECK(fd >= 0);
	CHECK_PERMITTED(bind(fd, (struct sockaddr *)&address, sizeof(address)));
	return fd;
}

PROMISE(netlink_sockets, "pc_open_fd adopts a netlink socket, subscribes it and makes it non-blocking")
{
	static const int types[] = { SOCK_DGRAM, SOCK_RAW };
	for (int i = 0; i < 2; i++) {
		int fd = netlink(types[i], NETLINK_CONNECTOR, 1);
		struct pc_connector *pc = adopt(fd, PC_MASK_COMM, 0);
		CHECK(stats_of(pc).rcvbuf_bytes > 212992);
		rename_self("adopted");
		await_event(pc, PC_EVENT_COMM, getpid());
		pc_close(pc);
		CHECK_EQ(fcntl(fd, F_GETFD), -1);
	}
}

PROMISE(member_by_option, "pc_open_fd accepts a socket that joined the group by NETLINK_ADD_MEMBERSHIP")
{
	int fd = netlink(SOCK_DGRAM, NETLINK_CONNECTOR, 0), group = 1;
	CHECK_EQ(setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)), 0);
	pc_close(adopt(fd, 0, 0));
}

/* How many pending events an adopted socket kept, which was full. */
static uint64_t count_kept(void)
{
	struct pc_connector *other = open_connector(PC_MASK_COMM, 0, 0);
	int fd = netlink(SOCK_DGRAM, NETLINK_CONNECTOR, 1);
	flood(2000);
	struct pc_connector *pc = adopt(fd, PC_MASK_COMM, 0);
	struct pc_event event;
	uint64_t kept = 0;
	while (pc_recv(pc, &event, 0) == 1) {
		CHECK_EQ(event.kind, PC_EVENT_COMM);
		kept++;
	}
	CHECK(kept < 2000);
	CHECK_EQ(stats_of(pc).lost, 0);
	rename_self("not congested");
	await_event(pc, PC_EVENT_COMM, getpid());
	pc_close(pc);
	pc_close(other);
	return kept;
}

PROMISE(pending_events, "an adopted socket keeps its pending events, and its earlier drops are not counted")
{
	int trial = 1;
	while (count_kept() < 100) /* the events of others had filled it */
		CHECK(trial++ < TRIALS);
}

PROMISE(subscribed_by_opener, "PC_OPEN_SUBSCRIBED sends no LISTEN, and pc_close one IGNORE")
{
	int fd = netlink(SOCK_DGRAM, NETLINK_CONNECTOR, 1);
	raw_request(fd, PROC_CN_MCAST_LISTEN, 1);
	struct pc_connector *pc = adopt(fd, PC_MASK_COMM, PC_OPEN_SUBSCRIBED);
	rename_self("subscribed");
	await_event(pc, PC_EVENT_COMM, getpid());
	pc_close(pc);
}

PROMISE(released_sockets, "pc_release hands the subscribed socket to a successor, who misses nothing")
{
	struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, 0);
	int before = open_descriptors(), fd = pc_fd(pc);
	CHECK_EQ(pc_release(pc), fd);
	CHECK_EQ(open_descriptors(), before - 2); /* the helper socket and the bell */
	rename_self("between");
	pc = adopt(fd, PC_MASK_COMM, PC_OPEN_SUBSCRIBED);
	await_event(pc, PC_EVENT_COMM, getpid());
	rename_self("after");
	await_event(pc, PC_EVENT_COMM, getpid());
	pc_close(pc);
	CHECK_EQ(open_descriptors(), before - 3);
	CHECK_EQ(pc_release(NULL), -EINVAL);
}

static bool is_released_uncounted(void)
{
	struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, 0);
	CHECK_EQ(pc_unsubscribe(pc), 0);
	int listeners = count_listeners(), fd = pc_release(pc);
	bool uncounted = count_listeners() == listeners;
	pc = adopt(fd, PC_MASK_COMM, 0);
	rename_self("resumed");
	await_event(pc, PC_EVENT_COMM, getpid());
	pc_close(pc);
	return uncounted & (count_listeners() == listeners);
}

PROMISE(released_while_paused, "the socket that pc_release returns of a paused connector is not subscribed")
{
	int trial = 1;
	while (!is_released_uncounted()) /* while another listener repaired the kernel, which adds one */
		CHECK(trial++ < TRIALS);
}

PROMISE(large_queue_kept, "pc_open_fd makes a queue smaller only if options ask for it")
{
	int fd = netlink(SOCK_DGRAM, NETLINK_CONNECTOR, 1), size = 64 << 20;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0)
		skip("needs CAP_NET_ADMIN");
	struct pc_connector *pc = adopt(fd, 0, 0);
	CHECK_EQ(stats_of(pc).rcvbuf_bytes, 128 << 20);
	pc_close(pc);
}

static void check_refused(int fd, int error)
{
	int before = open_descriptors(), status = fcntl(fd, F_GETFL), flags = fcntl(fd, F_GETFD);
	struct pc_connector *pc = NULL;
	CHECK_EQ(pc_open_fd(&pc, fd, NULL), error);
	CHECK(pc == NULL);
	CHECK_EQ(open_descriptors(), before);
	CHECK_EQ(fcntl(fd, F_GETFL), status);
	CHECK_EQ(fcntl(fd, F_GETFD), flags);
	close(fd);
}

PROMISE(closed, "pc_open_fd returns -EBADF for a closed descriptor, even if its number is the next free one")
{
	int fd = dup(STDERR_FILENO);
	CHECK(fd >= 0);
	CHECK_EQ(close(fd), 0);
	check_refused(fd, -EBADF);
}

PROMISE(refusals, "pc_open_fd refuses every other kind of socket, which stays the caller's")
{
	int pair[2];
	check_refused(-1, -EBADF);
	check_refused(-2147483647, -EBADF);
	check_refused(999, -EBADF);
	check_refused(open("/dev/null", O_RDONLY), -EPROTOTYPE);
	CHECK_EQ(pipe(pair), 0);
	check_refused(pair[0], -EPROTOTYPE);
	close(pair[1]);
	check_refused(socket(AF_INET, SOCK_DGRAM, 0), -EPROTOTYPE);
	check_refused(socket(AF_UNIX, SOCK_STREAM, 0), -EPROTOTYPE);
	check_refused(netlink(SOCK_RAW, NETLINK_ROUTE, 1), -EPROTOTYPE);
	check_refused(netlink(SOCK_DGRAM, NETLINK_CONNECTOR, 0), -EINVAL);
	check_refused(netlink(SOCK_DGRAM, NETLINK_CONNECTOR, 2), -EINVAL);
	int listener = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	struct sockaddr address = { .sa_family = AF_UNIX };
	CHECK_EQ(bind(listener, &address, sizeof(sa_family_t)), 0);
	CHECK_EQ(listen(listener, 1), 0);
	check_refused(listener, -EPROTOTYPE);
}

PROMISE(bad_options_adopting, "pc_open_fd with bad options leaves the descriptor as it was")
{
	int pair[2];
	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	struct pc_options options = PC_OPTIONS_INIT;
	options.events = 1;
	struct pc_connector *pc;
	CHECK_EQ(pc_open_fd(&pc, pair[0], &options), -EINVAL);
	CHECK_EQ(fcntl(pair[0], F_GETFL) & O_NONBLOCK, 0);
}

/* A fed handle and the end to feed it by. */
static struct pc_connector *fed(int type, uint32_t events, uint32_t flags, int *feed)
{
	int pair[2];
	CHECK_EQ(socketpair(AF_UNIX, type, 0, pair), 0);
	*feed = pair[1];
	return adopt(pair[0], events, flags);
}

PROMISE(unix_sockets, "a program without privilege can be fed events through AF_UNIX DGRAM and SEQPACKET sockets")
{
	static const int types[] = { SOCK_DGRAM, SOCK_SEQPACKET };
	for (int i = 0; i < 2; i++) {
		int feed;
		struct pc_connector *pc = fed(types[i], 0, 0, &feed);
		unsigned char datagram[EVENT_SIZE];
		make_exec(datagram, 42);
		CHECK_EQ(write(feed, datagram, sizeof(datagram)), sizeof(datagram));
		struct pc_event event = await_event(pc, PC_EVENT_EXEC, 42);
		CHECK_EQ(event.seq, 7);
		CHECK_EQ(event.cpu, 1);
		CHECK_EQ(event.timestamp_ns, 0x0123456789abcdef);
		CHECK_EQ(pc_subscribe(pc), 0);
		CHECK_EQ(pc_unsubscribe(pc), 0);
		CHECK_EQ(pc_check(pc), 0);
		CHECK_EQ(pc_recv(pc, &event, 0), 0);
		close(feed);
		pc_close(pc);
	}
}

PROMISE(unix_filters, "on AF_UNIX, masks and flags filter as the kernel would")
{
	int feed;
	struct pc_connector *pc = fed(SOCK_SEQPACKET, PC_MASK_EXEC | PC_MASK_EXIT,
				      PC_FILTER_NO_THREADS | PC_FILTER_NONZERO_EXIT, &feed);
	unsigned char datagram[EVENT_SIZE];
	int32_t thread[2] = { 5, 4 }, good[6] = { 6, 6, 0, 17, 1, 1 }, bad[6] = { 7, 7, 256, 17, 1, 1 };
	make_datagram(datagram, PROC_EVENT_EXEC, 0, thread, sizeof(thread));
	write(feed, datagram, sizeof(datagram));
	make_datagram(datagram, PROC_EVENT_EXIT, 0, good, sizeof(good));
	write(feed, datagram, sizeof(datagram));
	make_datagram(datagram, PROC_EVENT_SID, 0, good, 8);
	write(feed, datagram, sizeof(datagram));
	make_datagram(datagram, PROC_EVENT_NONE, 0, good, 4);
	write(feed, datagram, sizeof(datagram));
	make_datagram(datagram, PROC_EVENT_EXIT, 0, bad, sizeof(bad));
	write(feed, datagram, sizeof(datagram));
	struct pc_event event;
	CHECK_EQ(pc_recv(pc, &event, 0), 1);
	CHECK_EQ(event.data.exit.tgid, 7);
	CHECK_EQ(stats_of(pc).filtered, 4);
	pc_close(pc);
}

PROMISE(end_of_stream, "after the last event of a SEQPACKET stream that was closed, every call returns -EPIPE")
{
	for (size_t batch = 1; batch <= 64; batch += 63) {
		int feed;
		struct pc_connector *pc = fed(SOCK_SEQPACKET, 0, 0, &feed);
		unsigned char datagram[EVENT_SIZE];
		make_exec(datagram, 42);
		write(feed, datagram, sizeof(datagram));
		write(feed, datagram, sizeof(datagram));
		close(feed);
		struct pc_event events[64];
		for (int got = 0; got < 2;) {
			int result = pc_recv_many(pc, events, batch, -1);
			CHECK(result > 0);
			got += result;
		}
		for (int i = 0; i < 3; i++) {
			CHECK_EQ(pc_recv_many(pc, events, batch, -1), -EPIPE);
			CHECK_EQ(pc_recv(pc, events, 0), -EPIPE);
		}
		CHECK_EQ(stats_of(pc).received, 2);
		pc_close(pc);
	}
}

PROMISE(unread_answer, "a peer that closes an AF_UNIX socket with unread data does not hide what it sent")
{
	int feed;
	struct pc_connector *pc = fed(SOCK_SEQPACKET, 0, 0, &feed);
	unsigned char datagram[EVENT_SIZE];
	make_exec(datagram, 42);
	write(feed, datagram, sizeof(datagram));
	write(pc_fd(pc), "unread", 6);
	close(feed);
	struct pc_event event;
	CHECK_EQ(pc_recv(pc, &event, 0), 1);
	CHECK_EQ(pc_recv(pc, &event, 0), -EPIPE);
	pc_close(pc);
}

PROMISE(bound_feeder, "a feeder whose AF_UNIX socket has a long address of its own causes no harm")
{
	int pair[2];
	CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	memset(address.sun_path + 1, 'A', sizeof(address.sun_path) - 1);
	CHECK_EQ(bind(pair[1], (struct sockaddr *)&address, sizeof(address)), 0);
	struct pc_connector *pc = adopt(pair[0], 0, 0);
	unsigned char datagram[EVENT_SIZE];
	struct pc_event events[64];
	make_exec(datagram, 42);
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < 64; i++)
			CHECK_EQ(write(pair[1], datagram, sizeof(datagram)), sizeof(datagram));
		CHECK_EQ(pc_recv_many(pc, events, 64, 0), 64);
		for (int i = 0; i < 64; i++)
			CHECK_EQ(pc_event_tgid(&events[i]), 42);
	}
	pc_close(pc);
	close(pair[1]);
}

/* After a 0, a loop that waits for edges must have heard of everything. */
static void check_edge(struct pc_connector *pc, uint32_t kind)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event edge = { .events = EPOLLIN | EPOLLET };
	CHECK_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, pc_fd(pc), &edge), 0);
	CHECK_EQ(epoll_wait(epoll, &edge, 1, PATIENCE_MS), 1);
	struct pc_event event;
	bool seen = false;
	int result;
	while ((result = pc_recv(pc, &event, 0)) == 1)
		seen |= event.kind == kind;
	CHECK_EQ(result, 0);
	CHECK(seen);
	close(epoll);
}

PROMISE(edge_unix, "pc_recv finds a wanted datagram behind any number of unwanted ones before it returns 0")
{
	int feed, size = 1 << 24;
	struct pc_connector *pc = fed(SOCK_SEQPACKET, PC_MASK_EXEC, 0, &feed);
	if (setsockopt(feed, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) != 0)
		skip("needs CAP_NET_ADMIN");
	unsigned char datagram[EVENT_SIZE];
	int32_t ids[2] = { 1, 1 };
	make_datagram(datagram, PROC_EVENT_SID, 0, ids, sizeof(ids));
	for (int i = 0; i < 5000; i++)
		CHECK_EQ(write(feed, datagram, sizeof(datagram)), sizeof(datagram));
	make_exec(datagram, 42);
	CHECK_EQ(write(feed, datagram, sizeof(datagram)), sizeof(datagram));
	check_edge(pc, PC_EVENT_EXEC);
	close(feed);
	pc_close(pc);
}

static void start_session(void *unused)
{
	(void)unused;
	setsid();
}

PROMISE(edge_shrunk, "pc_recv finds a wanted event in an adopted queue that holds more than its new, smaller budget before it returns 0")
{
	struct pc_connector *keeper = open_connector(PC_MASK_EXEC, 0, 0);
	int fd = netlink(SOCK_DGRAM, NETLINK_CONNECTOR, 1), size = 1 << 24;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0)
		skip("needs CAP_NET_ADMIN");
	flood(2000);
	in_child(start_session, NULL);
	struct pc_options options = PC_OPTIONS_INIT;
	options.events = PC_MASK_SID;
	options.rcvbuf_bytes = 8192;
	struct pc_connector *pc;
	CHECK_EQ(pc_open_fd(&pc, fd, &options), 0);
	check_edge(pc, PC_EVENT_SID);
	pc_close(pc);
	pc_close(keeper);
}

PROMISE(locked_filter, "a socket that refuses the library's settings keeps its own, and its subscription")
{
	int fd = netlink(SOCK_DGRAM, NETLINK_CONNECTOR, 1), lock = 1, size = 0;
	raw_request(fd, PROC_CN_MCAST_LISTEN, 1);
	if (setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &lock, sizeof(lock)) != 0)
		skip("no SO_LOCK_FILTER");
	struct pc_connector *pc;
	CHECK_EQ(pc_open_fd(&pc, fd, NULL), -EPERM);
	CHECK_EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	socklen_t length = sizeof(size);
	CHECK_EQ(getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, &length), 0);
	CHECK(size <= 8 << 20);
	/* It is still subscribed if a renaming from now on arrives. Others' events may leave no room. */
	unsigned char datagram[256];
	bool heard = false;
	for (int trial = 0; trial < TRIALS && !heard; trial++) {
		while (recv(fd, datagram, sizeof(datagram), MSG_DONTWAIT) > 0)
			;
		rename_self("still subscribed");
		while (recv(fd, datagram, sizeof(datagram), MSG_DONTWAIT) > 0)
			heard |= memcmp(datagram + 60, "still subscribe", 16) == 0;
	}
	CHECK(heard);
	raw_request(fd, PROC_CN_MCAST_IGNORE, 1);
	close(fd);
}

PROMISE(unwanted_events, "an event that the filter rejects is not written to the caller's memory")
{
	int feed;
	struct pc_connector *pc = fed(SOCK_DGRAM, PC_MASK_EXIT, 0, &feed);
	unsigned char datagram[EVENT_SIZE];
	struct pc_event event, untouched;
	memset(&untouched, 0x5a, sizeof(untouched));
	event = untouched;
	make_exec(datagram, 42);
	CHECK_EQ(write(feed, datagram, sizeof(datagram)), sizeof(datagram));
	CHECK_EQ(pc_recv(pc, &event, 0), 0);
	CHECK_EQ(memcmp(&event, &untouched, sizeof(event)), 0);
	CHECK_EQ(stats_of(pc).filtered, 1);
	pc_close(pc);
}

PROMISE(any_bytes, "a datagram with any bytes is counted as malformed, and the stream goes on")
{
	for (size_t batch = 1; batch <= 64; batch += 63) {
		int feed;
		struct pc_connector *pc = fed(SOCK_DGRAM, 0, 0, &feed);
		unsigned char junk[600];
		unsigned state = 12345;
		uint64_t malformed = 0;
		struct pc_event events[64];
		for (size_t size = 0; size <= sizeof(junk); size += size < 100 ? 1 : 50) {
			for (size_t i = 0; i < size; i++)
				junk[i] = (unsigned char)((state = state * 1103515245 + 12345) >> 16);
			CHECK_EQ(write(feed, junk, size), size);
			malformed++;
			CHECK_EQ(pc_recv_many(pc, events, batch, 0), 0);
		}
		CHECK_EQ(stats_of(pc).malformed, malformed);
		make_exec(junk, 42);
		write(feed, junk, EVENT_SIZE);
		CHECK_EQ(pc_recv_many(pc, events, batch, 0), 1);
		CHECK_EQ(pc_event_tgid(events), 42);
		pc_close(pc);
	}
}

PROMISE(grown_event, "an event of up to 256 bytes is received, and a longer one is counted as malformed")
{
	int feed;
	struct pc_connector *pc = fed(SOCK_DGRAM, 0, 0, &feed);
	for (uint16_t size = 77; size <= 260; size++) {
		unsigned char datagram[300] = { 0 };
		make_exec(datagram, 42);
		uint32_t whole = size;
		uint16_t data = (uint16_t)(size - 36);
		memcpy(datagram, &whole, sizeof(whole));
		memcpy(datagram + 32, &data, sizeof(data));
		CHECK_EQ(write(feed, datagram, size), size);
		struct pc_event event;
		CHECK_EQ(pc_recv(pc, &event, 0), size <= 256);
	}
	CHECK_EQ(stats_of(pc).malformed, 4);
	pc_close(pc);
}
