/* What else a receive path could do, in bare loops: other calls, batches, buffers, looks at losses. */
#include "bench.h"

#include <errno.h>
#include <linux/cn_proc.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WAITING = 2048, DATAGRAM = 256, LARGEST = 256 };

static _Alignas(4096) unsigned char buffers[LARGEST * 512];
static struct mmsghdr headers[LARGEST];
static struct iovec vectors[LARGEST];
static struct sockaddr_nl senders[LARGEST];

static const struct variant {
	const char *name;
	int batch, stride; /* of recvmmsg(), and its buffers' distance */
	int interval;	   /* between two looks at the drop counter */
	bool recvmsg, nameless;
} variants[] = {
	{ "recvfrom", 1, 0, 0, false, false },
	{ "recv", 1, 0, 0, false, true },
	{ "recvmsg", 1, 0, 0, true, false },
	{ "recvfrom, counter each 16", 1, 0, 16, false, false },
	{ "recvfrom, counter each 256", 1, 0, 256, false, false },
	{ "recvmmsg 64", 64, 256, 0, false, false },
	{ "recvmmsg 64, no sender", 64, 256, 0, false, true },
	{ "recvmmsg 8", 8, 256, 0, false, false },
	{ "recvmmsg 16", 16, 256, 0, false, false },
	{ "recvmmsg 32", 32, 256, 0, false, false },
	{ "recvmmsg 256", 256, 256, 0, false, false },
	{ "recvmmsg 64, buffers of 80", 64, 80, 0, false, false },
	{ "recvmmsg 64, buffers of 512", 64, 512, 0, false, false },
};
enum { VARIANTS = sizeof(variants) / sizeof(variants[0]) };

static void lay_out(const struct variant *variant)
{
	for (int i = 0; i < LARGEST; i++) {
		size_t size = variant->stride > 0 && variant->stride < DATAGRAM ?
				      (size_t)variant->stride :
				      DATAGRAM;
		vectors[i] = (struct iovec){ buffers + i * variant->stride, size };
		headers[i].msg_hdr = (struct msghdr){ .msg_iov = &vectors[i], .msg_iovlen = 1 };
		if (!variant->nameless) {
			headers[i].msg_hdr.msg_name = &senders[i];
			headers[i].msg_hdr.msg_namelen = sizeof(senders[i]);
		}
	}
}

static long take(const struct variant *variant, int fd)
{
	socklen_t size = sizeof(senders[0]);
	if (variant->batch > 1)
		return recvmmsg(fd, headers, (unsigned)variant->batch, MSG_DONTWAIT, NULL);
	ssize_t taken;
	if (variant->recvmsg)
		taken = recvmsg(fd, &headers[0].msg_hdr, MSG_DONTWAIT);
	else if (variant->nameless)
		taken = recv(fd, buffers, DATAGRAM, MSG_DONTWAIT);
	else
		taken = recvfrom(fd, buffers, DATAGRAM, MSG_DONTWAIT,
				 (struct sockaddr *)&senders[0], &size);
	return taken < 0 ? taken : 1;
}

static void turn(int i)
{
	const struct variant *variant = &variants[i];
	int fd = raw_socket(true), one = 1;
	CHECK_EQ(setsockopt(fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &one, sizeof(one)), 0);
	set_queue(fd, QUEUE);
	raw_request(fd, PROC_CN_MCAST_LISTEN, 1);
	lay_out(variant);
	pin(WRITER_CPU);
	flood(WAITING);
	pin(READER_CPU);
	int left = variant->interval;
	uint64_t begun = now_ns();
	long got = 0;
	for (long taken; got < WAITING; got += taken) {
		if (left > 0 && --left == 0) {
			drops(fd);
			left = variant->interval;
		}
		taken = take(variant, fd);
		CHECK(taken > 0);
	}
	sample("variants", variant->name, (double)(now_ns() - begun) / (double)got);
	raw_request(fd, PROC_CN_MCAST_IGNORE, 2);
	close(fd);
}

void measure_variants(void)
{
	alternate(extent(300, 1), VARIANTS, turn);
}
