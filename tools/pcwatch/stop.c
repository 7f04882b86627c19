/* Stops pcwatch: at a signal, at the deadline, or with an exit status after an error. */
#include "pcwatch.h"

#include <signal.h>
#include <sys/signalfd.h>

bool running = true;
int exit_status;
int signal_fd = -1;
uint64_t deadline_ns = NEVER;

/* Returns 0, or -1 with errno set. */
int prepare_signals(bool live)
{
	static const int TAKEN[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP, SIGCONT };
	/* Without a terminal to restore, pcwatch takes only SIGINT, SIGTERM and, for --append, SIGHUP. */
	size_t count = live ? sizeof(TAKEN) / sizeof(*TAKEN) : options.append ? 3 : 2;
	sigset_t taken;
	sigemptyset(&taken);
	for (size_t i = 0; i < count; i++)
		sigaddset(&taken, TAKEN[i]);
	sigprocmask(SIG_BLOCK, &taken, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	signal_fd = signalfd(-1, &taken, SFD_CLOEXEC);
	return signal_fd < 0 ? -1 : 0;
}

/* Stops pcwatch after the current record. A status other than 0 becomes the exit status. */
void stop(int status)
{
	running = false;
	if (status)
		exit_status = status;
}
