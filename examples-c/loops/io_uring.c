/*
 * Process events received by io_uring itself: datagrams are in our buffers when we wake up, up to 256
 * for one system call. Linux 6.0 or later.
 *
 * Mind that most programs are better served by io_uring_prep_poll_multishot() on pc_fd(), and
 * pc_recv_many() when it completes. Nobody may read a socket that a handle uses; so this program
 * releases it, and then does itself what the handle did:
 *
 * - it believes the kernel only: the sender's nl_pid must be 0;
 * - it finds losses, by the kernel's counter of drops. A drop means a full queue, so that datagrams
 *   follow it and make us look: one look per wake-up finds all. When it happened is not known;
 * - it does without pc_check(), pc_set_filter() and pc_get_stats(), for want of a handle.
 */
#include "descriptors.h"
#include "processes.h"

#include <errno.h>
#include <liburing.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUFFERS = 256, BUFFER_SIZE = 512, POOL = 0 }; /* a datagram, its sender, and what came */
enum { DATAGRAM, STOP };

static struct io_uring ring;
static struct io_uring_buf_ring *pool;
static unsigned char buffers[BUFFERS][BUFFER_SIZE];
static struct msghdr layout = { .msg_namelen = sizeof(struct sockaddr_nl) };

static void require(int result, const char *what)
{
	if (result < 0) {
		fprintf(stderr, "%s: %s\n", what, strerror(-result));
		exit(1);
	}
}

static void give_back(unsigned short buffer)
{
	io_uring_buf_ring_add(pool, buffers[buffer], BUFFER_SIZE, buffer,
			      io_uring_buf_ring_mask(BUFFERS), 0);
	io_uring_buf_ring_advance(pool, 1);
}

static void start(void)
{
	require(io_uring_queue_init(BUFFERS, &ring, 0), "io_uring_queue_init");
	size_t size = BUFFERS * sizeof(struct io_uring_buf);
	if (posix_memalign((void **)&pool, 4096, size) != 0)
		require(-ENOMEM, "posix_memalign");
	struct io_uring_buf_reg registration = {
		.ring_addr = (uintptr_t)pool, .ring_entries = BUFFERS, .bgid = POOL,
	};
	require(io_uring_register_buf_ring(&ring, &registration, 0), "io_uring_register_buf_ring");
	io_uring_buf_ring_init(pool);
	for (unsigned short buffer = 0; buffer < BUFFERS; buffer++)
		give_back(buffer);
}

/* One request receives again and again, until a completion comes without IORING_CQE_F_MORE. */
static void receive(int fd)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
	io_uring_prep_recvmsg_multishot(sqe, fd, &layout, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = POOL;
	io_uring_sqe_set_data64(sqe, DATAGRAM);
}

static void take_datagram(void *buffer, int length)
{
	struct io_uring_recvmsg_out *message = io_uring_recvmsg_validate(buffer, length, &layout);
	struct sockaddr_nl sender;
	struct pc_event event;
	if (!message || message->namelen != sizeof(sender))
		return;
	memcpy(&sender, io_uring_recvmsg_name(message), sizeof(sender));
	if (sender.nl_pid == 0 &&
	    pc_parse(io_uring_recvmsg_payload(message, &layout),
		     io_uring_recvmsg_payload_length(message, length, &layout), &event) == 1)
		processes_take(&event, 1);
}

static void take(const struct io_uring_cqe *cqe, int fd)
{
	if (cqe->flags & IORING_CQE_F_BUFFER) {
		unsigned short buffer = (unsigned short)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
		take_datagram(buffers[buffer], cqe->res);
		give_back(buffer);
	} else if (cqe->res != -ENOBUFS) { /* all buffers were full */
		require(cqe->res, "recvmsg");
	}
	if (!(cqe->flags & IORING_CQE_F_MORE))
		receive(fd);
}

/* dropped: the counter's value when we looked last. It wraps. */
static void look_for_loss(int fd, uint32_t *dropped)
{
	uint32_t memory[SK_MEMINFO_VARS] = { 0 };
	socklen_t size = sizeof(memory);
	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory, &size) < 0)
		require(-errno, "SO_MEMINFO");
	uint32_t lost = memory[SK_MEMINFO_DROPS] - *dropped;
	*dropped += lost;
	if (lost > 0) {
		struct pc_event overrun = { .kind = PC_EVENT_OVERRUN };
		overrun.data.overrun.lost = lost;
		overrun.data.overrun.reason = PC_LOST_QUEUE;
		processes_take(&overrun, 1);
	}
	/* Nothing in the socket, and nothing that came from it to the ring in the meantime. */
	processes_settle(memory[SK_MEMINFO_RMEM_ALLOC] == 0 && io_uring_cq_ready(&ring) == 0);
}

int main(void)
{
	struct pc_connector *pc;
	struct pc_stats stats;
	int stop = stop_signals();
	start();
	if (processes_open(&pc) < 0 || processes_drain(pc) < 0)
		return 1;
	/* Of what was dropped so far, the handle has told. */
	require(pc_get_stats(pc, &stats, sizeof(stats)), "pc_get_stats");
	uint32_t dropped = (uint32_t)stats.lost;
	int fd = pc_release(pc);

	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
	io_uring_prep_poll_add(sqe, stop, POLLIN);
	io_uring_sqe_set_data64(sqe, STOP);
	receive(fd);
	for (bool running = true; running;) {
		int result = io_uring_submit_and_wait(&ring, 1);
		if (result != -EINTR)
			require(result, "io_uring_submit_and_wait");
		struct io_uring_cqe *cqe;
		unsigned head, count = 0;
		io_uring_for_each_cqe(&ring, head, cqe) {
			if (io_uring_cqe_get_data64(cqe) == STOP)
				running = false;
			else
				take(cqe, fd);
			count++;
		}
		io_uring_cq_advance(&ring, count);
		look_for_loss(fd, &dropped);
	}
	io_uring_queue_exit(&ring);
	free(pool);

	/* The subscription ends with a handle. */
	struct pc_options options = PC_OPTIONS_INIT;
	options.flags = PC_OPEN_SUBSCRIBED;
	require(pc_open_fd(&pc, fd, &options), "pc_open_fd");
	pc_close(pc);
	return 0;
}
