/* Runs a command, so that pcwatch misses nothing of what it starts. */
#include "pcwatch.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CANNOT_EXECUTE = 126, NOT_FOUND = 127, TOO_EARLY = 124, BY_SIGNAL = 128 }; /* as of env(1) and timeout(1) */

static pid_t job;
static int gate = -1, refusal = -1; /* pipes to the command's process, and from it */
static bool over; /* the command has exited, or is about to */
static int interrupted; /* the signal that has stopped pcwatch while the command ran; 0: none */

/*
 * Waits until the gate opens, which is closed without that if pcwatch cannot work. Opening the gate wakes this
 * process, often on the CPU of pcwatch, which would then have to wait until a short command is over. So the
 * command begins when pcwatch sleeps, and its events wake it.
 */
static void be_command(int gate_end, int refusal_end)
{
	char byte;
	if (read(gate_end, &byte, 1) == 1) {
		nanosleep(&(struct timespec){ .tv_nsec = NS_PER_MS }, NULL);
		execvp(options.command[0], options.command);
		int error = errno;
		if (write(refusal_end, &error, sizeof(error))) {}
	}
	_exit(NOT_FOUND);
}

/* Returns the process that will run the command, or -1 with errno set. It has pcwatch's descriptors and signals. */
pid_t start_job(void)
{
	int gate_pipe[2], refusal_pipe[2];
	if (pipe2(gate_pipe, O_CLOEXEC) < 0 || pipe2(refusal_pipe, O_CLOEXEC) < 0)
		return -1;
	job = fork();
	if (job == 0) {
		close(gate_pipe[1]);
		be_command(gate_pipe[0], refusal_pipe[1]);
	}
	close(gate_pipe[0]);
	close(refusal_pipe[1]);
	gate = gate_pipe[1];
	refusal = refusal_pipe[0];
	return job;
}

/* Lets the command run; stops pcwatch if it cannot be executed. */
void release_job(void)
{
	int error = 0;
	if (gate < 0)
		return;
	if (write(gate, "", 1)) {}
	close(gate);
	gate = -1;
	/* execve(2) closes the other end. */
	if (read(refusal, &error, sizeof(error)) == sizeof(error)) {
		complain(options.command[0], strerror(error));
		stop(error == ENOENT ? NOT_FOUND : CANNOT_EXECUTE);
	}
	close(refusal);
}

static bool is_running(void)
{
	siginfo_t info = { 0 };
	return waitid(P_PID, (id_t)job, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
}

/*
 * Passes a signal to the command, which got it already if the user has typed it. Returns false if pcwatch
 * should stop: because the command has exited, or because this is the second signal.
 */
bool signal_job(int number, bool from_terminal)
{
	bool again = interrupted != 0;
	if (!job || !is_running())
		return false;
	interrupted = number;
	if (!from_terminal)
		kill(job, number);
	return !again;
}

/* Says that the table has reported the end of the command. */
void expect_end(void)
{
	over = true;
}

/* Returns the exit status to pass on. */
int end_job(void)
{
	int status;
	close(gate);
	if (waitpid(job, &status, over ? 0 : WNOHANG) != job)
		return interrupted ? BY_SIGNAL + interrupted : TOO_EARLY;
	return WIFSIGNALED(status) ? BY_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status);
}
