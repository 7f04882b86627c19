/*
 * record FILE COMMAND [ARGUMENT …]: saves the machine's process events, while a command runs, to a
 * pcap file, which Wireshark and replay.c read. Its exit status is the command's.
 *
 * A recording needs the datagrams, which pc_recv() does not return. So this program releases the socket
 * from its handle and receives from it.
 */
#include "cooked.h"

#include <fcntl.h>
#include <linux/if_arp.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <pcap/pcap.h>
#include <poll.h>
#include <proc_connector.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { DATAGRAM_MAX = 256, PATIENCE_MS = 100 };

static void fail(const char *what, const char *why)
{
	fprintf(stderr, "record: %s: %s\n", what, why);
	exit(1);
}

static int open_socket(void)
{
	struct pc_connector *pc;
	int result = pc_open(&pc, NULL);
	if (result < 0)
		fail("pc_open", pc_strerror(result));
	return pc_release(pc);
}

static void save(pcap_dumper_t *file, const unsigned char *datagram, size_t size)
{
	unsigned char packet[COOKED_SIZE + DATAGRAM_MAX] = { 0 };
	packet[COOKED_HARDWARE] = ARPHRD_NETLINK >> 8;
	packet[COOKED_HARDWARE + 1] = ARPHRD_NETLINK & 0xff;
	packet[COOKED_PROTOCOL + 1] = NETLINK_CONNECTOR;
	memcpy(packet + COOKED_SIZE, datagram, size);

	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	struct pcap_pkthdr header = {
		.ts = { now.tv_sec, now.tv_nsec }, /* nanoseconds, as the file's header says */
		.caplen = (bpf_u_int32)(COOKED_SIZE + size),
		.len = (bpf_u_int32)(COOKED_SIZE + size),
	};
	pcap_dump((u_char *)file, &header, packet);
}

/* Saves all pending datagrams. Returns whether the EXIT of this process was among them. */
static bool save_waiting(pcap_dumper_t *file, int socket, pid_t awaited)
{
	unsigned char datagram[DATAGRAM_MAX];
	bool seen = false;
	for (;;) {
		struct sockaddr_nl sender = { 0 };
		socklen_t length = sizeof(sender);
		ssize_t size = recvfrom(socket, datagram, sizeof(datagram), 0,
					(struct sockaddr *)&sender, &length);
		struct pc_event event;
		if (size < 0)
			return seen;
		if (sender.nl_pid != 0 || pc_parse(datagram, (size_t)size, &event) != 1)
			continue; /* not from the kernel, or not an event */
		save(file, datagram, (size_t)size);
		if (event.kind == PC_EVENT_EXIT && event.data.exit.tgid == awaited)
			seen = true;
	}
}

static unsigned lost_so_far(int socket)
{
	unsigned memory[SK_MEMINFO_VARS] = { 0 };
	socklen_t size = sizeof(memory);
	getsockopt(socket, SOL_SOCKET, SO_MEMINFO, memory, &size);
	return memory[SK_MEMINFO_DROPS];
}

/* To end the subscription, adopts the socket and closes the handle. */
static void close_socket(int socket)
{
	struct pc_options options = PC_OPTIONS_INIT;
	options.flags = PC_OPEN_SUBSCRIBED;
	struct pc_connector *pc;
	if (pc_open_fd(&pc, socket, &options) == 0)
		pc_close(pc);
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "Usage: record FILE COMMAND [ARGUMENT ...]\n");
		return 2;
	}
	pcap_t *kind = pcap_open_dead_with_tstamp_precision(DLT_NETLINK, COOKED_SIZE + DATAGRAM_MAX,
							    PCAP_TSTAMP_PRECISION_NANO);
	pcap_dumper_t *file = pcap_dump_open(kind, argv[1]);
	if (!file)
		fail("cannot write", pcap_geterr(kind));
	fcntl(fileno(pcap_dump_file(file)), F_SETFD, FD_CLOEXEC);
	int socket = open_socket();

	signal(SIGINT, SIG_IGN); /* a SIGINT from the terminal is for the command */
	pid_t command = fork();
	if (command < 0)
		fail("fork", "failed");
	if (command == 0) {
		signal(SIGINT, SIG_DFL);
		execvp(argv[2], argv + 2);
		perror(argv[2]);
		_exit(127);
	}

	/* The command's EXIT may come after waitpid() has returned, or be lost. */
	int status = 0;
	for (bool seen = false, ended = false; !ended || !(seen || lost_so_far(socket));) {
		struct pollfd ready = { .fd = socket, .events = POLLIN };
		poll(&ready, 1, PATIENCE_MS);
		if (save_waiting(file, socket, command))
			seen = true;
		if (!ended)
			ended = waitpid(command, &status, WNOHANG) == command;
	}
	unsigned lost = lost_so_far(socket);
	close_socket(socket);
	if (pcap_dump_flush(file) != 0 || ferror(pcap_dump_file(file)))
		fail(argv[1], "cannot be written");
	pcap_dump_close(file);
	pcap_close(kind);
	if (lost > 0)
		fprintf(stderr, "record: %u events were lost\n", lost);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
