/* Namespaces and privileges: a distinct error, and soon. */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

/* Linux 6.6 let the unprivileged subscribe. */
static bool needs_privilege(void)
{
	struct utsname name;
	int major = 0, minor = 0;
	uname(&name);
	CHECK_EQ(sscanf(name.release, "%d.%d", &major, &minor), 2);
	return major < 6 || (major == 6 && minor < 6);
}

/* And soon: on a busy machine not each time. */
static void check_open_gives(int error)
{
	int before = open_descriptors(), trial = 0;
	struct pc_connector *pc = NULL;
	uint64_t begun;
	do {
		CHECK(trial++ < TRIALS);
		begun = now_ns();
		CHECK_EQ(pc_open(&pc, NULL), error);
		CHECK(pc == NULL);
		CHECK_EQ(open_descriptors(), before);
	} while (now_ns() - begun >= 100000000u);
}

static void enter(int namespaces)
{
	if (unshare(namespaces) != 0)
		skip("cannot make such a namespace");
}

/* A handle of the parent's keeps the kernel reporting, so that events alone prove nothing. */
static void check_elsewhere(void (*f)(void *))
{
	struct pc_connector *pc = open_connector(0, 0, 0);
	in_child(f, NULL);
	pc_close(pc);
	in_child(f, NULL);
}

static void in_network_namespace(void *unused)
{
	(void)unused;
	enter(CLONE_NEWNET);
	check_open_gives(-ECONNREFUSED);
}

PROMISE(network_namespace, "in another network namespace pc_open returns -ECONNREFUSED")
{
	check_elsewhere(in_network_namespace);
}

static void expect_foreign(void *unused)
{
	(void)unused;
	check_open_gives(-EOPNOTSUPP);
}

static void leave_network_namespace(void *unused)
{
	struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, 0);
	struct pc_event event;
	(void)unused;
	int home = open("/proc/self/ns/net", O_RDONLY);
	enter(CLONE_NEWNET);
	int away = open("/proc/self/ns/net", O_RDONLY);
	check_open_gives(-ECONNREFUSED);
	CHECK_EQ(pc_check(pc), 0);
	CHECK_EQ(pc_unsubscribe(pc), 0);
	CHECK_EQ(pc_subscribe(pc), 0);
	rename_self("resumed");
	await_event(pc, PC_EVENT_COMM, getpid());
	int repaired;
	do { /* until no other listener repairs it first */
		CHECK_EQ(setns(home, CLONE_NEWNET), 0);
		deafen();
		CHECK_EQ(setns(away, CLONE_NEWNET), 0);
		repaired = pc_check(pc);
	} while (repaired == 0);
	CHECK_EQ(repaired, 1);
	event = await_kind(pc, PC_EVENT_OVERRUN);
	CHECK_EQ(event.data.overrun.reason, PC_LOST_DEAF);
	rename_self("repaired");
	await_event(pc, PC_EVENT_COMM, getpid());
	pc_close(pc);
}

static bool counts_evenly(void)
{
	int listeners = count_listeners();
	pc_close(open_connector(0, 0, 0));
	return count_listeners() == listeners;
}

PROMISE(moved, "a thread that has moved to another network namespace can check, pause, resume and repair a connector that was opened before")
{
	int trial = 1;
	in_child(leave_network_namespace, NULL);
	while (!counts_evenly()) /* while another listener repaired the kernel, which adds one */
		CHECK(trial++ < TRIALS);
}

static void adopt_elsewhere(void *descriptor)
{
	struct pc_options options = PC_OPTIONS_INIT;
	struct pc_connector *pc;
	enter(CLONE_NEWNET);
	options.events = PC_MASK_COMM;
	CHECK_EQ(pc_open_fd(&pc, *(int *)descriptor, &options), -ECONNREFUSED);
	options.flags = PC_OPEN_SUBSCRIBED;
	CHECK_EQ(pc_open_fd(&pc, *(int *)descriptor, &options), 0);
	rename_self("elsewhere");
	await_event(pc, PC_EVENT_COMM, getpid());
	CHECK_EQ(pc_check(pc), -ECONNREFUSED);
	CHECK_EQ(pc_unsubscribe(pc), 0);
	CHECK_EQ(pc_subscribe(pc), -ECONNREFUSED);
	pc_close(pc);
}

static bool is_adopted_elsewhere_evenly(void)
{
	struct pc_connector *keeper = open_connector(PC_MASK_EXEC, 0, 0);
	int fd = raw_socket(true), listeners = count_listeners();
	raw_request(fd, 1, 1); /* PROC_CN_MCAST_LISTEN */
	in_child(adopt_elsewhere, &fd);
	bool even = count_listeners() == listeners;
	close(fd);
	pc_close(keeper);
	return even;
}

PROMISE(adopted_elsewhere, "in another network namespace pc_open_fd adopts a subscribed socket of the initial one, and no unsubscribed one")
{
	int trial = 1;
	while (!is_adopted_elsewhere_evenly()) /* while another listener repaired the kernel */
		CHECK(trial++ < TRIALS);
}

static void adopt_foreign(void *unused)
{
	struct pc_options options = PC_OPTIONS_INIT;
	struct pc_connector *pc;
	int home = open("/proc/self/ns/net", O_RDONLY);
	(void)unused;
	enter(CLONE_NEWNET);
	int fd = raw_socket(true);
	CHECK_EQ(setns(home, CLONE_NEWNET), 0);
	CHECK_EQ(pc_open_fd(&pc, fd, &options), -ECONNREFUSED);
	options.flags = PC_OPEN_SUBSCRIBED;
	CHECK_EQ(pc_open_fd(&pc, fd, &options), -ECONNREFUSED);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
}

PROMISE(foreign_socket, "pc_open_fd refuses a socket that was made in another network namespace, which would deliver nothing")
{
	in_child(adopt_foreign, NULL);
}

static void expect_foreign_time(void *descriptor)
{
	struct pc_connector *pc;
	struct pc_options options = PC_OPTIONS_INIT;
	check_open_gives(-EOPNOTSUPP);
	options.flags = PC_OPEN_SUBSCRIBED;
	CHECK_EQ(pc_open_fd(&pc, *(int *)descriptor, &options), -EOPNOTSUPP);
}

static void in_time_namespace(void *descriptor)
{
	enter(CLONE_NEWTIME);
	in_child(expect_foreign_time, descriptor);
}

PROMISE(time_namespace, "in another time namespace, whose clock the kernel's events do not follow, pc_open and pc_open_fd return -EOPNOTSUPP")
{
	int fd = raw_socket(true);
	in_child(in_time_namespace, &fd);
	close(fd);
}

static void in_pid_namespace(void *unused)
{
	(void)unused;
	enter(CLONE_NEWPID);
	in_child(expect_foreign, NULL);
}

PROMISE(pid_namespace, "in another PID namespace pc_open returns -EOPNOTSUPP")
{
	check_elsewhere(in_pid_namespace);
}

static void in_user_namespace(void *unused)
{
	(void)unused;
	enter(CLONE_NEWUSER);
	check_open_gives(-EOPNOTSUPP);
}

PROMISE(user_namespace, "in another user namespace pc_open returns -EOPNOTSUPP")
{
	check_elsewhere(in_user_namespace);
}

static void in_pid_namespace_without_proc(void *unused)
{
	(void)unused;
	enter(CLONE_NEWNS | CLONE_NEWPID);
	if (mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) != 0 || umount2("/proc", MNT_DETACH) != 0)
		skip("cannot unmount /proc");
	pid_t child = fork();
	if (child == 0) {
		struct pc_connector *pc;
		_exit(pc_open(&pc, NULL) == -ETIMEDOUT ? 0 : 1);
	}
	CHECK_EQ(end_child(child), 0);
}

PROMISE(unknown_silence, "if the kernel is silent and /proc does not show why, pc_open returns -ETIMEDOUT and changes nothing")
{
	struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, 0);
	in_child(in_pid_namespace_without_proc, NULL);
	CHECK_EQ(pc_check(pc), 0);
	pc_close(pc);
}

static void unprivileged(void *unused)
{
	(void)unused;
	CHECK_PERMITTED(setresgid(65534, 65534, 65534));
	CHECK_PERMITTED(setresuid(65534, 65534, 65534));
	if (needs_privilege()) {
		check_open_gives(-EPERM);
		return;
	}
	/* The queue is small: only what hardly any other program does. */
	struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, 0);
	rename_self("unprivileged");
	await_event(pc, PC_EVENT_COMM, getpid());
	CHECK_EQ(pc_check(pc), 0);
	/* SO_RCVBUF, up to net.core.rmem_max, instead of SO_RCVBUFFORCE. */
	FILE *file = fopen("/proc/sys/net/core/rmem_max", "r");
	unsigned rmem_max = 0;
	CHECK(file && fscanf(file, "%u", &rmem_max) == 1);
	fclose(file);
	unsigned expected = rmem_max > DEFAULT_QUEUE / 2 ? DEFAULT_QUEUE : rmem_max * 2;
	CHECK_EQ(stats_of(pc).rcvbuf_bytes, expected);
	pc_close(pc);
}

PROMISE(privilege, "without privilege pc_open returns -EPERM before Linux 6.6, and everything works from 6.6 on")
{
	pc_close(open_connector(0, 0, 0));
	in_child(unprivileged, NULL);
}

static void without_netlink(void *unused)
{
	(void)unused;
	deny(SYS_socket, EAFNOSUPPORT);
	check_open_gives(-EAFNOSUPPORT);
}

PROMISE(address_families, "where netlink sockets are forbidden, pc_open returns -EAFNOSUPPORT")
{
	pc_close(open_connector(0, 0, 0));
	in_child(without_netlink, NULL);
}

static void adopt_unprivileged(void *descriptor)
{
	int fd = *(int *)descriptor;
	CHECK_PERMITTED(setresgid(65534, 65534, 65534));
	CHECK_PERMITTED(setresuid(65534, 65534, 65534));
	struct pc_options options = PC_OPTIONS_INIT;
	options.events = PC_MASK_COMM;
	options.flags = PC_OPEN_SUBSCRIBED;
	struct pc_connector *pc;
	CHECK_EQ(pc_open_fd(&pc, fd, &options), 0);
	CHECK_EQ(stats_of(pc).rcvbuf_bytes, DEFAULT_QUEUE);
	rename_self("handed down");
	await_event(pc, PC_EVENT_COMM, getpid());
	CHECK_EQ(pc_check(pc), needs_privilege() ? -EPERM : 0);
	pc_close(pc);
}

PROMISE(handed_down, "an unprivileged child can adopt what a privileged parent has subscribed, on any kernel")
{
	struct pc_connector *keeper = open_connector(PC_MASK_EXEC, 0, 0);
	int fd = raw_socket(true), half = DEFAULT_QUEUE / 2;
	raw_request(fd, 1, 1); /* PROC_CN_MCAST_LISTEN */
	CHECK_PERMITTED(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &half, sizeof(half)));
	in_child(adopt_unprivileged, &fd);
	if (needs_privilege())
		raw_request(fd, 2, 1); /* the child's IGNORE had no effect */
	close(fd);
	pc_close(keeper);
}

static void without_counter(void *unused)
{
	(void)unused;
	deny(SYS_getsockopt, EPERM);
	check_open_gives(-EPERM);
}

static void without_socket_options(void *unused)
{
	(void)unused;
	deny(SYS_setsockopt, EPERM);
	check_open_gives(-EPERM);
}

PROMISE(seccomp, "under a seccomp filter that forbids setsockopt or getsockopt, pc_open returns -EPERM")
{
	pc_close(open_connector(0, 0, 0));
	in_child(without_socket_options, NULL);
	in_child(without_counter, NULL);
}

PROMISE(descriptors, "out of descriptors at any step, pc_open returns -EMFILE and leaks none")
{
	pc_close(open_connector(0, 0, 0));
	int lowest = dup(0);
	close(lowest);
	for (int spare = 0; spare < 3; spare++) {
		struct rlimit limit;
		CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
		limit.rlim_cur = (rlim_t)(lowest + spare);
		CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
		struct pc_connector *pc = NULL;
		CHECK_EQ(pc_open(&pc, NULL), -EMFILE);
		CHECK_EQ(dup(0) < 0, spare == 0);
		close(lowest);
	}
}
