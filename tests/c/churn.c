#include "churn.h"
#include "support.h"

#include <errno.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned state;

static unsigned random_below(unsigned limit)
{
	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state % limit;
}

static void nap(void)
{
	usleep(random_below(3000));
}

static void await(pid_t child)
{
	while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
}

static void start_thread(void *(*run)(void *))
{
	pthread_t thread;
	if (pthread_create(&thread, NULL, run, NULL) == 0)
		pthread_detach(thread);
}

/* ---- What a child does. Each ends soon, whatever becomes of its parent. ---- */

static void *end_thread(void *unused)
{
	nap();
	return unused;
}

static void *end_thread_with_7(void *unused)
{
	nap();
	syscall(SYS_exit, 7);
	return unused;
}

static void *end_process(void *unused)
{
	nap();
	_exit(5);
	return unused;
}

static void execute(void)
{
	exec_self(NULL);
}

static void change(void)
{
	rename_self("churning");
	if (random_below(2))
		setsid();
	syscall(SYS_setresgid, 99, 98, 99);
	syscall(SYS_setresuid, 97, 96, 97);
	nap();
	_exit((int)random_below(3));
}

static void leave_thread(void)
{
	start_thread(random_below(2) ? end_thread_with_7 : end_process);
	syscall(SYS_exit, 3);
}

static void exec_from_thread(void)
{
	start_thread(exec_self);
	usleep(20000);
}

static void exec_badly_from_thread(void)
{
	start_thread(exec_impossible);
	usleep(20000);
}

static void exec_badly_by_itself(void)
{
	exec_impossible(NULL);
}

static void be_killed(void)
{
	start_thread(end_thread);
	start_thread(end_thread);
	kill(getpid(), random_below(2) ? SIGKILL : SIGTERM);
}

static void orphan(void)
{
	for (unsigned i = random_below(4); i; i--)
		if (fork() == 0) {
			nap();
			if (random_below(2))
				exec_self(NULL);
			_exit(0);
		}
}

static void disown(void)
{
	/* Its parent is ours. */
	struct clone_args sibling = { .flags = CLONE_PARENT };
	if (syscall(SYS_clone3, &sibling, sizeof(sibling)) == 0) {
		nap();
		_exit(4);
	}
}

static void thread_about(void)
{
	for (int i = 0; i < 5; i++)
		start_thread(end_thread);
	rename_self("with threads");
	nap();
}

static void flood_a_little(void)
{
	flood((long)random_below(4000));
}

static void (*const DEEDS[])(void) = {
	execute,
	change,
	leave_thread,
	exec_from_thread,
	exec_badly_from_thread,
	exec_badly_by_itself,
	be_killed,
	orphan,
	disown,
	thread_about,
	flood_a_little,
};

/* ---- The churn ---- */

static void reuse_pid(void)
{
	pid_t child = fork();
	if (child == 0)
		_exit(1);
	for (int i = 0; i < 3 && child > 0; i++) {
		await(child);
		struct clone_args again = { .exit_signal = SIGCHLD,
					    .set_tid = (uintptr_t)&child,
					    .set_tid_size = 1 };
		child = (pid_t)syscall(SYS_clone3, &again, sizeof(again));
		if (child == 0) {
			if (random_below(2))
				nap();
			_exit(2);
		}
	}
	await(child);
}

static void vfork_once(void)
{
	pid_t child = vfork();
	if (child == 0)
		_exit(6);
	await(child);
}

static void churn(void *seed)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGTERM, SIG_DFL);
	state = *(unsigned *)seed * 2654435761u | 1;
	for (;;) {
		unsigned deed = random_below(sizeof(DEEDS) / sizeof(DEEDS[0]) + 2);
		if (deed == 0) {
			reuse_pid();
		} else if (deed == 1) {
			vfork_once();
		} else {
			unsigned next = random_below(1u << 31);
			pid_t child = fork();
			if (child == 0) {
				state = next | 1;
				DEEDS[deed - 2]();
				_exit(0);
			}
			if (random_below(4))
				await(child);
		}
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}

pid_t start_churn(unsigned seed)
{
	return start_child(churn, &seed);
}

void stop_churn(const pid_t *children, int count)
{
	for (int i = 0; i < count; i++)
		kill(children[i], SIGKILL);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
}
