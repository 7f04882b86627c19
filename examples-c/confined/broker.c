/*
 * broker PATH: gives each client that connects to PATH its own subscribed socket.
 *
 * It runs where process events exist: in the initial network, PID and user namespaces. Its clients,
 * such as confined.c, may be anywhere. Any process with write permission on PATH (umask, folder) can listen.
 */
#include <errno.h>
#include <poll.h>
#include <proc_connector.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { SIGNALS, LISTENER, CLIENTS, MOST = 64, SECOND_MS = 1000 };
static struct pollfd ready[MOST]; /* from CLIENTS on: connections to clients */
static int sockets[MOST]; /* the socket that each client was given */
static nfds_t count = CLIENTS;

static void fail(const char *what, const char *why)
{
	fprintf(stderr, "broker: %s: %s\n", what, why);
	exit(1);
}

static int listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(address.sun_path))
		fail(path, strerror(ENAMETOOLONG));
	strcpy(address.sun_path, path);
	int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(listener, 16) < 0)
		fail(path, strerror(errno));
	return listener;
}

static int send_socket(int client, int fd)
{
	struct iovec data = { (char[]){ 0 }, 1 };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .header = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1,
				  .msg_control = &control, .msg_controllen = sizeof(control.space) };
	return (int)sendmsg(client, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* The queue has the full size. The client itself would have no privilege for that. */
static void serve(void)
{
	int client = accept4(ready[LISTENER].fd, NULL, NULL, SOCK_CLOEXEC);
	if (client < 0)
		return;
	struct pc_connector *pc;
	int result = count < MOST ? pc_open(&pc, NULL) : -EMFILE;
	if (result < 0) {
		fprintf(stderr, "broker: pc_open: %s\n", pc_strerror(result));
		close(client);
	} else if (send_socket(client, pc_fd(pc)) < 0) {
		close(client);
		pc_close(pc);
	} else {
		sockets[count] = pc_release(pc);
		ready[count++] = (struct pollfd){ .fd = client, .events = POLLIN };
	}
}

/* The client is gone. To end its subscription, adopts the socket and closes the handle. */
static void end(nfds_t client)
{
	struct pc_options options = PC_OPTIONS_INIT;
	options.flags = PC_OPEN_SUBSCRIBED;
	struct pc_connector *pc;
	if (pc_open_fd(&pc, sockets[client], &options) == 0)
		pc_close(pc);
	else
		close(sockets[client]); /* the client has made the socket useless */
	close(ready[client].fd);
	count--;
	ready[client] = ready[count];
	sockets[client] = sockets[count];
}

int main(int argc, char **argv)
{
	if (argc != 2)
		fail("usage", "broker PATH");
	sigset_t stop;
	sigemptyset(&stop);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGTERM);
	sigprocmask(SIG_BLOCK, &stop, NULL);

	/* This connector receives no events. It only repairs the kernel if another process makes it deaf. */
	struct pc_connector *guard;
	struct pc_options nothing = PC_OPTIONS_INIT;
	nothing.events = PC_MASK_UNKNOWN;
	int result = pc_open(&guard, &nothing);
	if (result < 0)
		fail("cannot open", pc_strerror(result));
	ready[SIGNALS] = (struct pollfd){ signalfd(-1, &stop, SFD_CLOEXEC), POLLIN, 0 };
	ready[LISTENER] = (struct pollfd){ listen_at(argv[1]), POLLIN, 0 };

	while (!ready[SIGNALS].revents) {
		poll(ready, count, SECOND_MS);
		struct pc_event event;
		if (pc_check(guard) == 1)
			fprintf(stderr, "broker: all clients missed events\n");
		while (pc_recv(guard, &event, 0) == 1)
			;
		for (nfds_t client = count; client-- > CLIENTS;)
			if (ready[client].revents)
				end(client);
		if (ready[LISTENER].revents)
			serve();
	}
	unlink(argv[1]);
	while (count > CLIENTS)
		end(CLIENTS);
	pc_close(guard);
	return 0;
}
