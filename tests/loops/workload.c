/*
 * Makes processes whose fates are known. For each command on stdin it prints what the examples must
 * show of these processes, and then a dot: "execed PID" and "exited PID" for each program that starts
 * and each process that exits, and "lives PID" or "ended PID" for what is true after a loss.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BURST = 1500, KEPT = 10 };
static pid_t kept[KEPT];
static pid_t held;
static int hold[2];

static void run_self(const char *what)
{
	execl("/proc/self/exe", "workload", what, NULL);
	_exit(127);
}

static void *run_from_thread(void *unused)
{
	run_self("wait");
	return unused;
}

static void *end_last(void *unused)
{
	usleep(10000);
	syscall(SYS_exit_group, 7);
	return unused;
}

static void plain(void) { _exit(5); }
static void program(void) { run_self("end"); }
static void twice(void) { run_self("again"); }
static void stay(void) { run_self("stay"); }

static void killed(void)
{
	raise(SIGKILL);
}

static void leader_first(void)
{
	pthread_t thread;
	pthread_create(&thread, NULL, end_last, NULL);
	syscall(SYS_exit, 7);
}

static void thread_exec(void)
{
	pthread_t thread;
	dup2(hold[0], 0);
	pthread_create(&thread, NULL, run_from_thread, NULL);
	pthread_join(thread, NULL);
}

static pid_t start(void (*fate)(void))
{
	pid_t child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fate();
		_exit(126);
	}
	return child;
}

static void run(void (*fate)(void), int execs)
{
	pid_t child = start(fate);
	waitpid(child, NULL, 0);
	while (execs--)
		printf("execed %d\n", child);
	printf("exited %d\n", child);
}

static void keep(int slot)
{
	kept[slot] = start(stay);
}

/* More events than a loop takes in one wake-up, and than a small queue holds. */
static void burst(bool show)
{
	for (int i = 0; i < BURST; i++) {
		pid_t child = start(plain);
		waitpid(child, NULL, 0);
		if (show)
			printf("exited %d\n", child);
	}
}

static void obey(const char *command)
{
	if (strcmp(command, "burst") == 0) {
		burst(true);
	} else if (strcmp(command, "cases") == 0) {
		for (int i = 0; i < 10; i++)
			run(program, 1);
		run(plain, 0);
		run(twice, 2);
		run(killed, 0);
		run(leader_first, 0);
		held = start(thread_exec);
		printf("execed %d\n", held);
	} else if (strcmp(command, "release") == 0) {
		close(hold[1]);
		waitpid(held, NULL, 0);
		printf("exited %d\n", held);
	} else if (strcmp(command, "keep") == 0) {
		for (int i = 0; i < KEPT; i++) {
			keep(i);
			printf("lives %d\n", kept[i]);
		}
	} else if (strcmp(command, "lose") == 0) {
		burst(false);
		for (int i = 0; i < KEPT; i += 2) {
			kill(kept[i], SIGKILL);
			waitpid(kept[i], NULL, 0);
			printf("ended %d\n", kept[i]);
			keep(i);
		}
		for (int i = 0; i < KEPT; i++)
			printf("lives %d\n", kept[i]);
		burst(false);
	}
	puts(".");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	if (argc == 2) {
		char byte;
		if (strcmp(argv[1], "again") == 0)
			run_self("end");
		if (strcmp(argv[1], "stay") == 0)
			pause();
		if (strcmp(argv[1], "wait") == 0)
			return read(0, &byte, 1) != 0;
		return 3;
	}
	char line[32];
	if (pipe2(hold, O_CLOEXEC) != 0)
		return 1;
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		obey(line);
	}
	for (int i = 0; i < KEPT; i++)
		if (kept[i] > 0)
			kill(kept[i], SIGKILL);
	return 0;
}
