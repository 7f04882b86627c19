/* The bare loops that our library is measured against, and the same loops with our library. */
#include "bench.h"

#include <errno.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE = 100 /* ms */ };

/* Prepared once, as our library does: a loop that is slower for no need proves nothing. */
struct bare {
	int fd;
	_Alignas(64) unsigned char buffers[BATCH][256];
	struct mmsghdr headers[BATCH];
	struct iovec vectors[BATCH];
	struct sockaddr_nl senders[BATCH];
};

static void *open_with(uint32_t rcvbuf_bytes, int no_enobufs)
{
	struct bare *bare = aligned_alloc(64, sizeof(*bare));
	CHECK(bare != NULL);
	*bare = (struct bare){ .fd = raw_socket(true) };
	for (int i = 0; i < BATCH; i++) {
		bare->vectors[i] = (struct iovec){ bare->buffers[i], sizeof(bare->buffers[i]) };
		bare->headers[i].msg_hdr.msg_iov = &bare->vectors[i];
		bare->headers[i].msg_hdr.msg_iovlen = 1;
		bare->headers[i].msg_hdr.msg_name = &bare->senders[i];
		bare->headers[i].msg_hdr.msg_namelen = sizeof(bare->senders[i]);
	}
	CHECK_EQ(setsockopt(bare->fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &no_enobufs,
			    sizeof(no_enobufs)),
		 0);
	set_queue(bare->fd, rcvbuf_bytes);
	raw_request(bare->fd, PROC_CN_MCAST_LISTEN, 1);
	return bare;
}

static void *open_bare(uint32_t rcvbuf_bytes)
{
	return open_with(rcvbuf_bytes, 1);
}

/* With a filter that drops acknowledgements, which anybody can cause: cn_proc.c sends them to all. */
static void *open_filtered(uint32_t rcvbuf_bytes)
{
	enum { WHAT = sizeof(struct nlmsghdr) + sizeof(struct cn_msg) };
	struct sock_filter program[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, WHAT),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0 /* PROC_EVENT_NONE */, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	struct sock_fprog filter = { sizeof(program) / sizeof(program[0]), program };
	struct bare *bare = open_bare(rcvbuf_bytes);
	CHECK_EQ(setsockopt(bare->fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)), 0);
	return bare;
}

static void *open_enobufs(uint32_t rcvbuf_bytes)
{
	return open_with(rcvbuf_bytes, 0);
}

static int fd_bare(void *handle)
{
	return ((struct bare *)handle)->fd;
}

static void close_bare(void *handle)
{
	struct bare *bare = handle;
	/* Else the kernel would go on making events for nobody. */
	raw_request(bare->fd, PROC_CN_MCAST_IGNORE, 1);
	close(bare->fd);
	free(bare);
}

static long drain_recv(void *handle, long count)
{
	struct bare *bare = handle;
	long got = 0;
	while (got < count &&
	       recv(bare->fd, bare->buffers[0], sizeof(bare->buffers[0]), MSG_DONTWAIT) > 0)
		got++;
	return got;
}

static inline int take_recvfrom(struct bare *bare)
{
	struct sockaddr_nl sender;
	socklen_t size = sizeof(sender);
	if (recvfrom(bare->fd, bare->buffers[0], sizeof(bare->buffers[0]), MSG_DONTWAIT,
		     (struct sockaddr *)&sender, &size) < 0)
		return -1;
	return sender.nl_pid == 0;
}

static long drain_recvfrom(void *handle, long count)
{
	long got = 0;
	for (int taken; got < count && (taken = take_recvfrom(handle)) >= 0;)
		got += taken;
	return got;
}

static inline int take_recvmmsg(struct bare *bare, long count)
{
	int taken = recvmmsg(bare->fd, bare->headers, count < BATCH ? (unsigned)count : BATCH,
			     MSG_DONTWAIT, NULL);
	int genuine = taken;
	for (int i = 0; i < taken; i++)
		genuine -= bare->senders[i].nl_pid != 0;
	return genuine;
}

static long drain_recvmmsg(void *handle, long count)
{
	long got = 0;
	for (int taken; got < count && (taken = take_recvmmsg(handle, count - got)) >= 0;)
		got += taken;
	return got;
}

static int wait_bare(struct bare *bare)
{
	struct pollfd set = { .fd = bare->fd, .events = POLLIN };
	return poll(&set, 1, PATIENCE);
}

static int next_recvfrom(void *handle)
{
	int taken = take_recvfrom(handle);
	if (taken < 0 && (errno == ENOBUFS || wait_bare(handle) > 0))
		taken = take_recvfrom(handle);
	return taken < 0 ? 0 : taken;
}

static int next_recvmmsg(void *handle)
{
	int taken = take_recvmmsg(handle, BATCH);
	if (taken < 0 && wait_bare(handle) > 0)
		taken = take_recvmmsg(handle, BATCH);
	return taken < 0 ? 0 : taken;
}

void *open_ours(uint32_t rcvbuf_bytes)
{
	return open_connector(0, 0, rcvbuf_bytes);
}

static int fd_ours(void *handle)
{
	return pc_fd(handle);
}

void close_ours(void *handle)
{
	pc_close(handle);
}

static long drain_pc_recv(void *handle, long count)
{
	struct pc_event event;
	long got = 0;
	while (got < count && pc_recv(handle, &event, 0) == 1)
		got += event.kind != PC_EVENT_OVERRUN;
	return got;
}

static int next_pc_recv(void *handle)
{
	struct pc_event event;
	return pc_recv(handle, &event, PATIENCE) == 1 && event.kind != PC_EVENT_OVERRUN;
}

static inline int take_pc_recv_many(struct pc_connector *pc, long count, int timeout_ms)
{
	struct pc_event events[BATCH];
	int taken = pc_recv_many(pc, events, count < BATCH ? (size_t)count : BATCH, timeout_ms);
	int kernels = taken;
	for (int i = 0; i < taken; i++)
		kernels -= events[i].kind == PC_EVENT_OVERRUN;
	return kernels;
}

static long drain_pc_recv_many(void *handle, long count)
{
	long got = 0;
	for (int taken; got < count && (taken = take_pc_recv_many(handle, count - got, 0)) > 0;)
		got += taken;
	return got;
}

static int next_pc_recv_many(void *handle)
{
	int taken = take_pc_recv_many(handle, BATCH, PATIENCE);
	return taken < 0 ? 0 : taken;
}

const struct listener bare_recv = { "recv", open_bare, drain_recv, NULL, fd_bare, close_bare };
const struct listener bare_recvfrom = { "recvfrom", open_bare,	drain_recvfrom, next_recvfrom,
					fd_bare,    close_bare };
const struct listener bare_again = { "recvfrom again", open_bare, drain_recvfrom, next_recvfrom,
				     fd_bare,	       close_bare };
const struct listener bare_filtered = { "recvfrom, filter", open_filtered, drain_recvfrom,
					next_recvfrom,	    fd_bare,	   close_bare };
const struct listener bare_recvmmsg = { "recvmmsg", open_bare,	drain_recvmmsg, next_recvmmsg,
					fd_bare,    close_bare };
const struct listener bare_enobufs = { "recvfrom, ENOBUFS mode", open_enobufs, drain_recvfrom,
				       next_recvfrom,		 fd_bare,      close_bare };
const struct listener our_recv = { "pc_recv", open_ours, drain_pc_recv, next_pc_recv,
				   fd_ours,   close_ours };
const struct listener our_recv_many = { "pc_recv_many",	   open_ours, drain_pc_recv_many,
					next_pc_recv_many, fd_ours,   close_ours };
