#include "feed.h"

#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/netlink.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

/*
 * The timestamp is the current time, as in the kernel's events. A table ignores an EXEC or EXIT that is older than
 * its reading of the process. The event is not aligned in the datagram, so memcpy() puts it there.
 */
static void feed(int fd, struct proc_event *event)
{
	static __u32 sequence;
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	event->timestamp_ns = (__u64)now.tv_sec * 1000000000 + (__u64)now.tv_nsec;
	unsigned char datagram[sizeof(struct nlmsghdr) + sizeof(struct cn_msg) + sizeof(*event)];
	struct nlmsghdr netlink = { .nlmsg_len = sizeof(datagram), .nlmsg_type = NLMSG_DONE };
	struct cn_msg connector = {
		.id = { CN_IDX_PROC, CN_VAL_PROC },
		.seq = sequence++,
		.len = sizeof(*event),
	};
	memcpy(datagram, &netlink, sizeof(netlink));
	memcpy(datagram + sizeof(netlink), &connector, sizeof(connector));
	memcpy(datagram + sizeof(netlink) + sizeof(connector), event, sizeof(*event));
	if (send(fd, datagram, sizeof(datagram), MSG_NOSIGNAL) < 0) {
		perror("feed");
		exit(1);
	}
}

void feed_fork(int fd, pid_t parent, pid_t child)
{
	struct proc_event event = { .what = PROC_EVENT_FORK };
	event.event_data.fork.parent_pid = parent;
	event.event_data.fork.parent_tgid = parent;
	event.event_data.fork.child_pid = child;
	event.event_data.fork.child_tgid = child;
	feed(fd, &event);
}

void feed_exec(int fd, pid_t pid)
{
	struct proc_event event = { .what = PROC_EVENT_EXEC };
	event.event_data.exec.process_pid = pid;
	event.event_data.exec.process_tgid = pid;
	feed(fd, &event);
}

void feed_exit(int fd, pid_t pid, int status)
{
	struct proc_event event = { .what = PROC_EVENT_EXIT };
	event.event_data.exit.process_pid = pid;
	event.event_data.exit.process_tgid = pid;
	event.event_data.exit.exit_code = (__u32)status;
	event.event_data.exit.exit_signal = SIGCHLD;
	feed(fd, &event);
}
