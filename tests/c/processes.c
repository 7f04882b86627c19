/* pc_process_alive: whether an exit was the end. */
#include "support.h"

#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

PROMISE(living, "pc_process_alive returns 1 for a living process, whatever its name")
{
	CHECK_EQ(pc_process_alive(getpid()), 1);
	rename_self("x\nTgid:\t1\nSt");
	CHECK_EQ(pc_process_alive(getpid()), 1);
	rename_self(") Z 1 1 1");
	CHECK_EQ(pc_process_alive(getpid()), 1);
}

PROMISE(zombie, "pc_process_alive returns 0 for a zombie and for a process that has exited")
{
	pid_t child = fork();
	if (child == 0)
		_exit(0);
	siginfo_t info;
	CHECK_EQ(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
	CHECK_EQ(pc_process_alive(child), 0);
	end_child(child);
	CHECK_EQ(pc_process_alive(child), 0);
}

static void *wait_for_byte(void *fd)
{
	char byte;
	read(*(int *)fd, &byte, 1);
	return NULL;
}

PROMISE(leader_gone, "pc_process_alive returns 2 while threads live on after the leader's EXIT, then 0")
{
	struct pc_connector *pc = open_connector(PC_MASK_EXIT, 0, 0);
	int gate[2];
	CHECK_EQ(pipe(gate), 0);
	pid_t child = fork();
	if (child == 0) {
		pthread_t thread;
		rename_self(") R 1 (");
		CHECK_EQ(pthread_create(&thread, NULL, wait_for_byte, &gate[0]), 0);
		syscall(SYS_exit, 3);
	}
	struct pc_event event = await_event(pc, PC_EVENT_EXIT, child);
	CHECK_EQ(event.data.exit.pid, child);
	CHECK_EQ(pc_process_alive(child), 2);
	CHECK_EQ(write(gate[1], "x", 1), 1);
	end_child(child);
	CHECK_EQ(pc_process_alive(child), 0);
	pc_close(pc);
}

PROMISE(thread_exec, "after the exec of a thread, pc_process_alive shows that the leader's EXIT was not the process exit")
{
	struct pc_connector *pc = open_connector(PC_MASK_EXIT | PC_MASK_EXEC, 0, 0);
	pid_t child = fork();
	if (child == 0) {
		pthread_t thread;
		CHECK_EQ(pthread_create(&thread, NULL, exec_self, NULL), 0);
		for (;;)
			pause();
	}
	/* The EXEC proves that the process went on, whatever came before it. */
	await_event(pc, PC_EVENT_EXEC, child);
	end_child(child);
	CHECK_EQ(pc_process_alive(child), 0);
	pc_close(pc);
}

static void *exec_self_again(void *unused);

/* A process that lives on through one thread's exec after the other. */
static void exec_from_threads(void)
{
	pthread_t thread;
	CHECK_EQ(pthread_create(&thread, NULL, exec_self_again, NULL), 0);
	for (;;)
		pause();
}

static void *exec_self_again(void *unused)
{
	char path[4096] = { 0 };
	CHECK(readlink("/proc/self/exe", path, sizeof(path) - 1) > 0);
	execl(path, path, "--exec-from-threads", (char *)NULL);
	return unused;
}

__attribute__((constructor)) static void go_on_if_executed(void)
{
	char *argv[3];
	if (own_arguments(argv, 3) == 2 && strcmp(argv[1], "--exec-from-threads") == 0)
		exec_from_threads();
}

PROMISE(thread_execs, "pc_process_alive never returns 0 for a process whose threads exec")
{
	pid_t child = fork();
	if (child == 0)
		exec_from_threads();
	for (uint64_t until = now_ns() + 1000000000u; now_ns() < until;) {
		int alive = pc_process_alive(child);
		if (alive != 1 && alive != 2)
			fail(__FILE__, __LINE__, "it is %d", alive);
	}
	kill(child, SIGKILL);
	end_child(child);
}

PROMISE(reused_id, "the EXIT of a pid's old owner does not make pc_process_alive return 0 for the new one")
{
	struct pc_connector *pc = open_connector(PC_MASK_FORK | PC_MASK_EXIT, 0, 0);
	for (int round = 0; round < 50; round++) {
		pid_t old = fork();
		if (old == 0)
			_exit(7);
		end_child(old);
		pid_t reused = clone_with_id(old);
		if (reused < 0 && errno == EEXIST)
			continue; /* somebody else was faster */
		if (reused < 0)
			skip("clone3 with set_tid needs CAP_SYS_ADMIN and Linux 5.5");
		if (reused == 0)
			for (;;)
				pause();
		CHECK_EQ(reused, old);
		/* FORK, EXIT, FORK, in whichever order they come. */
		for (int forks = 0, exits = 0; forks < 2 || exits < 1;) {
			struct pc_event event;
			CHECK_EQ(pc_recv(pc, &event, PATIENCE_MS), 1);
			if (pc_event_tgid(&event) != old)
				continue;
			forks += event.kind == PC_EVENT_FORK;
			exits += event.kind == PC_EVENT_EXIT;
			CHECK_EQ(pc_process_alive(old), 1);
		}
		kill(reused, SIGKILL);
		end_child(reused);
		await_event(pc, PC_EVENT_EXIT, reused);
		CHECK_EQ(pc_process_alive(reused), 0);
	}
	pc_close(pc);
}

static void *tell_tid_and_wait(void *argument)
{
	int *pipes = argument;
	pid_t tid = (pid_t)syscall(SYS_gettid);
	write(pipes[1], &tid, sizeof(tid));
	return wait_for_byte(&pipes[2]);
}

PROMISE(thread_id, "pc_process_alive returns -ESRCH for a thread's id, although /proc opens it")
{
	int pipes[4];
	CHECK_EQ(pipe(pipes), 0);
	CHECK_EQ(pipe(pipes + 2), 0);
	pthread_t thread;
	pid_t tid;
	CHECK_EQ(pthread_create(&thread, NULL, tell_tid_and_wait, pipes), 0);
	CHECK_EQ(read(pipes[0], &tid, sizeof(tid)), sizeof(tid));
	CHECK_EQ(pc_process_alive(tid), -ESRCH);
	write(pipes[3], "x", 1);
	pthread_join(thread, NULL);
}

PROMISE(bad_ids, "pc_process_alive returns -EINVAL for ids below 1, and 0 for unused ids")
{
	CHECK_EQ(pc_process_alive(0), -EINVAL);
	CHECK_EQ(pc_process_alive(-1), -EINVAL);
	CHECK_EQ(pc_process_alive(-2147483647 - 1), -EINVAL);
	CHECK_EQ(pc_process_alive(2147483647), 0);
}

static void without_proc(void *unused)
{
	(void)unused;
	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) != 0 ||
	    umount2("/proc", MNT_DETACH) != 0)
		skip("cannot unmount /proc");
	CHECK_EQ(pc_process_alive(getpid()), -EACCES);
	CHECK_EQ(pc_process_alive(2147483647), 0);
}

PROMISE(no_proc, "without /proc, pc_process_alive returns -EACCES for a living process, not 0")
{
	in_child(without_proc, NULL);
}

static void with_hidepid(void *unused)
{
	(void)unused;
	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("proc", "/proc", "proc", 0, "hidepid=2") != 0)
		skip("cannot mount /proc with hidepid");
	/* Group 0 may see all. */
	CHECK_PERMITTED(setgroups(0, NULL));
	CHECK_PERMITTED(setresgid(65534, 65534, 65534));
	CHECK_PERMITTED(setresuid(65534, 65534, 65534));
	CHECK_EQ(pc_process_alive(1), -EACCES);
	CHECK_EQ(pc_process_alive(getpid()), 1);
}

PROMISE(hidepid, "pc_process_alive returns -EACCES for a process that hidepid hides, not 0")
{
	in_child(with_hidepid, NULL);
}
