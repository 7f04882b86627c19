/* Processes that do what they are told: see follower.h. */
#include "follower.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct puppet self;
static char program[4096]; /* found out while there is a leader */

static void become_puppet(int orders, int answers)
{
	self = (struct puppet){ getpid(), orders, answers };
	CHECK(readlink("/proc/self/exe", program, sizeof(program) - 1) > 0);
}

static void *obey(void *unused);

static void *exec_puppet(void *unused)
{
	char orders[12], answers[12];
	snprintf(orders, sizeof(orders), "%d", self.orders);
	snprintf(answers, sizeof(answers), "%d", self.answers);
	execl(program, program, "--puppet", orders, answers, (char *)NULL);
	return unused;
}

__attribute__((constructor)) static void obey_if_executed(void)
{
	char *argv[5];
	if (own_arguments(argv, 5) != 4 || strcmp(argv[1], "--puppet") != 0)
		return;
	become_puppet(atoi(argv[2]), atoi(argv[3]));
	write(self.answers, &self.pid, sizeof(self.pid));
	obey(NULL);
}

static void *live_and_die(void *unused)
{
	rename_self("a thread");
	return unused;
}

static void in_thread(void *(*f)(void *))
{
	pthread_t thread;
	CHECK_EQ(pthread_create(&thread, NULL, f, NULL), 0);
	pthread_join(thread, NULL);
}

static void *obey_alone(void *unused)
{
	while (pc_process_alive(getpid()) != 2)
		usleep(100);
	write(self.answers, &self.pid, sizeof(self.pid));
	return obey(unused);
}

static void end_leader(void)
{
	pthread_t thread;
	CHECK_EQ(pthread_create(&thread, NULL, obey_alone, NULL), 0);
	syscall(SYS_exit, 5);
}

static pid_t test; /* which started the puppet; 0 after an exec */

/* Until it is killed, or the test has ended: it outlives no test. */
static void stay(void)
{
	while (kill(test, 0) == 0)
		usleep(100000);
	_exit(0);
}

static pid_t child_that(bool waits)
{
	pid_t child = fork();
	if (child == 0) {
		if (waits)
			stay();
		_exit(4);
	}
	if (!waits)
		end_child(child);
	return child;
}

/* A daemon in a session of its own, whose parent exits at once. */
static pid_t fork_twice(void)
{
	int answers[2];
	pid_t daemon = -1;
	CHECK_EQ(pipe(answers), 0);
	pid_t child = fork();
	if (child == 0) {
		setsid();
		daemon = fork();
		if (daemon == 0)
			stay();
		write(answers[1], &daemon, sizeof(daemon));
		_exit(0);
	}
	CHECK_EQ(read(answers[0], &daemon, sizeof(daemon)), sizeof(daemon));
	close(answers[0]);
	close(answers[1]);
	end_child(child);
	return daemon;
}

static void *fork_from_thread(void *child)
{
	*(pid_t *)child = child_that(true);
	return NULL;
}

static pid_t sibling(void)
{
	pid_t child = (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
	if (child == 0)
		stay();
	return child;
}

static pid_t vfork_and_exec(void)
{
	pid_t child = vfork();
	if (child == 0)
		exec_self(NULL);
	return child;
}

static void *obey(void *unused)
{
	static char name[] = "puppet 0";
	static unsigned id = 1000;
	char order;
	while (read(self.orders, &order, 1) == 1) {
		pid_t answer = self.pid;
		switch (order) {
		case 'n':
			name[7]++;
			rename_self(name);
			break;
		case 's': CHECK_EQ(setsid(), self.pid); break;
		case 'u': CHECK_PERMITTED(syscall(SYS_setresuid, ++id, 0, 0)); break;
		case 'g': CHECK_PERMITTED(syscall(SYS_setresgid, ++id, 0, 0)); break;
		case 'x': exec_puppet(NULL); break;
		case 'X': in_thread(exec_puppet); break;
		case 'b': in_thread(exec_impossible); break;
		case 'f': answer = child_that(true); break;
		case 'F': answer = child_that(false); break;
		case 'c': answer = sibling(); break;
		case 'd': answer = fork_twice(); break;
		case 'k': CHECK_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0); break;
		case 'T': {
			pthread_t thread;
			CHECK_EQ(pthread_create(&thread, NULL, fork_from_thread, &answer), 0);
			pthread_join(thread, NULL);
			break;
		}
		case 'v': answer = vfork_and_exec(); break;
		case 't': in_thread(live_and_die); break;
		case 'l': end_leader(); break;
		case 'q': _exit(3);
		case 'Q': syscall(SYS_exit, 9);
		}
		write(self.answers, &answer, sizeof(answer));
	}
	_exit(0);
	return unused;
}

struct puppet start_puppet(void)
{
	int orders[2], answers[2];
	CHECK_EQ(pipe(orders), 0);
	CHECK_EQ(pipe(answers), 0);
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		test = getppid();
		become_puppet(orders[0], answers[1]);
		close(orders[1]);
		close(answers[0]);
		obey(NULL);
	}
	close(orders[0]);
	close(answers[1]);
	return (struct puppet){ pid, orders[1], answers[0] };
}

void skip_if_instrumented(void)
{
	if (getenv("INSTRUMENTED"))
		skip("valgrind has no pidfd_open, CLONE_PARENT, RLIMIT_AS or bad programs");
}

pid_t order(const struct puppet *puppet, char order)
{
	pid_t answer;
	if (strchr("lbc", order))
		skip_if_instrumented();
	CHECK_EQ(write(puppet->orders, &order, 1), 1);
	if (strchr("bqQ", order))
		return 0;
	ssize_t length = read(puppet->answers, &answer, sizeof(answer));
	if (length == 0)
		end_child(puppet->pid); /* it may have skipped this promise */
	CHECK_EQ(length, sizeof(answer));
	CHECK(answer > 0);
	return answer;
}

int dismiss(const struct puppet *puppet, char last_order)
{
	order(puppet, last_order);
	int status = end_child(puppet->pid);
	close(puppet->orders);
	close(puppet->answers);
	return status;
}
