/*
 * replay FILE COMMAND [ARGUMENT …]: starts a command, and sends it the process events of a recording
 * by record.c, or of a capture of an nlmon device. replay appends an argument to the command: the
 * number of the descriptor, for pc_open_fd(). The exit status of replay is that of the command.
 */
#include "cooked.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void fail(const char *what, const char *why)
{
	fprintf(stderr, "replay: %s: %s\n", what, why);
	exit(1);
}

/* SEQPACKET keeps datagrams apart, makes replay wait for the reader, and reports the end of the stream. */
static int start(char **command, int arguments, pid_t *child)
{
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		fail("socketpair", strerror(errno));
	*child = fork();
	if (*child < 0)
		fail("fork", strerror(errno));
	if (*child == 0) {
		char number[12];
		int inherited = dup(ends[0]); /* without close-on-exec */
		snprintf(number, sizeof(number), "%d", inherited);
		command[arguments] = number;
		execvp(command[0], command);
		perror(command[0]);
		_exit(127);
	}
	close(ends[0]);
	return ends[1];
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "Usage: replay FILE COMMAND [ARGUMENT ...]\n");
		return 2;
	}
	char error[PCAP_ERRBUF_SIZE];
	pcap_t *file = pcap_open_offline(argv[1], error);
	if (!file)
		fail("cannot read", error);
	fcntl(fileno(pcap_file(file)), F_SETFD, FD_CLOEXEC);
	if (pcap_datalink(file) != DLT_NETLINK)
		fail(argv[1], "not a capture of netlink");

	pid_t child;
	char **command = calloc((size_t)argc, sizeof(*command)); /* one more argument, and NULL */
	if (!command)
		fail("calloc", strerror(errno));
	memcpy(command, argv + 2, (size_t)(argc - 2) * sizeof(*command));
	int feed = start(command, argc - 2, &child);

	struct pcap_pkthdr *header;
	const u_char *packet;
	int result;
	while ((result = pcap_next_ex(file, &header, &packet)) == 1) {
		if (header->caplen <= COOKED_SIZE || header->caplen < header->len ||
		    packet[COOKED_PROTOCOL + 1] != NETLINK_CONNECTOR)
			continue;
		/* The command may have stopped reading. */
		if (send(feed, packet + COOKED_SIZE, header->caplen - COOKED_SIZE, MSG_NOSIGNAL) < 0)
			break;
	}
	if (result == PCAP_ERROR)
		fail(argv[1], pcap_geterr(file));
	close(feed);
	pcap_close(file);
	free(command);

	int status;
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
