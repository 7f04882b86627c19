/*
 * Prints the programs that are started, and can do nothing else. Once the connector is open, this
 * process runs as nobody, without capabilities or a way to get any, and may make only the system
 * calls that receiving needs.
 *
 *     confined         opens its own connector
 *     confined PATH    receives its socket from broker.c, and may be in any container
 */
#include "drop.h"

#include <errno.h>
#include <proc_connector.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static const int allowed[] = {
	/* From the list in proc_connector.h: pc_recv(), */
	SYS_recvfrom, SYS_recvmmsg, SYS_getsockopt, SYS_ppoll, SYS_read, SYS_clock_gettime,
	/* pc_interrupt(), and printing, */
	SYS_write,
	/* pc_close() and pc_release(), and free(). */
	SYS_sendto, SYS_close, SYS_munmap, SYS_madvise, SYS_brk,
	/* The return from a signal handler, and the exit of the program. */
	SYS_rt_sigreturn, SYS_exit_group,
#ifdef SYS_sigreturn
	SYS_sigreturn,
#endif
	/* On 32-bit machines, libc makes these calls instead, */
#ifdef SYS_ppoll_time64
	SYS_ppoll_time64, SYS_recvmmsg_time64, SYS_clock_gettime64,
#endif
	/* and on s390x and i386, socketcall stands for all socket calls. */
#if defined(__i386__) || defined(__s390x__)
	SYS_socketcall,
#endif
};

static struct pc_connector *pc;
static volatile sig_atomic_t stopping;

static void stop(int number)
{
	(void)number;
	stopping = 1;
	pc_interrupt(pc);
}

static void fail(const char *what, const char *why)
{
	fprintf(stderr, "confined: %s: %s\n", what, why);
	exit(1);
}

/* The connection stays open. When it ends, the broker knows that the socket is no longer in use. */
static int receive_socket(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(address.sun_path))
		fail(path, strerror(ENAMETOOLONG));
	strcpy(address.sun_path, path);
	int broker = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (broker < 0 || connect(broker, (struct sockaddr *)&address, sizeof(address)) < 0)
		fail(path, strerror(errno));

	char byte;
	struct iovec data = { &byte, 1 };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1,
				  .msg_control = &control, .msg_controllen = sizeof(control.space) };
	if (recvmsg(broker, &message, MSG_CMSG_CLOEXEC) < 0)
		fail(path, strerror(errno));
	int fd;
	if (message.msg_controllen < sizeof(control.header) ||
	    control.header.cmsg_type != SCM_RIGHTS)
		fail(path, "the broker gave no socket");
	memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
	return fd;
}

int main(int argc, char **argv)
{
	const char *broker = argc > 1 ? argv[1] : NULL;
	struct pc_options options = PC_OPTIONS_INIT;
	options.events = PC_MASK_EXEC;
	options.flags = broker ? PC_OPEN_SUBSCRIBED : 0;
	int result = broker ? pc_open_fd(&pc, receive_socket(broker), &options)
			    : pc_open(&pc, &options);
	if (result < 0)
		fail("cannot open", pc_strerror(result));

	struct sigaction action = { .sa_handler = stop };
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	struct pc_stats stats;
	pc_get_stats(pc, &stats, sizeof(stats));
	printf("queue %u\n", stats.rcvbuf_bytes);
	fflush(stdout); /* the first output needs additional system calls */

	drop_privileges();
	drop_system_calls(allowed, sizeof(allowed) / sizeof(allowed[0]));

	struct pc_event event;
	while (!stopping && (result = pc_recv(pc, &event, -1)) == 1) {
		if (event.kind == PC_EVENT_EXEC)
			printf("exec %d\n", event.data.exec.tgid);
		else if (event.kind == PC_EVENT_OVERRUN)
			printf("lost %llu\n", (unsigned long long)event.data.overrun.lost);
		fflush(stdout);
	}
	/* The broker has subscribed and will unsubscribe. From another namespace, this process cannot. */
	if (broker)
		close(pc_release(pc));
	else
		pc_close(pc);
	if (result < 0 && result != -ECANCELED)
		fail("pc_recv", pc_strerror(result));
	return 0;
}
