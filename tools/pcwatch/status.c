/* Shows wait(2) statuses in words and in JSON. */
#include "pcwatch.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

static const char *signal_name(int number, char buffer[16])
{
	static const char *const NAMES[] = {
		[SIGHUP] = "HUP",   [SIGINT] = "INT",	    [SIGQUIT] = "QUIT", [SIGILL] = "ILL",
		[SIGTRAP] = "TRAP", [SIGABRT] = "ABRT",	    [SIGBUS] = "BUS",	[SIGFPE] = "FPE",
		[SIGKILL] = "KILL", [SIGUSR1] = "USR1",	    [SIGSEGV] = "SEGV", [SIGUSR2] = "USR2",
		[SIGPIPE] = "PIPE", [SIGALRM] = "ALRM",	    [SIGTERM] = "TERM", [SIGXCPU] = "XCPU",
		[SIGXFSZ] = "XFSZ", [SIGVTALRM] = "VTALRM", [SIGPROF] = "PROF", [SIGPOLL] = "POLL",
		[SIGPWR] = "PWR",   [SIGSYS] = "SYS",
#ifdef SIGSTKFLT /* not on MIPS */
		[SIGSTKFLT] = "STKFLT",
#endif
	};
	bool named = number < (int)(sizeof(NAMES) / sizeof(*NAMES)) && NAMES[number];
	snprintf(buffer, 16, named ? "SIG%s" : "signal %.0s%d", named ? NAMES[number] : "", number);
	return buffer;
}

const char *status_text(int code, bool known, char buffer[40])
{
	char name[16];
	if (!known)
		return "status unknown";
	if (WIFSIGNALED(code))
		snprintf(buffer, 40, "%s%s", signal_name(WTERMSIG(code), name),
			 WCOREDUMP(code) ? ", core dumped" : "");
	else
		snprintf(buffer, 40, "status %d", WEXITSTATUS(code));
	return buffer;
}

void status(int code, bool known)
{
	bool killed = known && WIFSIGNALED(code);
	char buffer[40];
	text(status_text(code, known, buffer));
	number("exit_code", NULL, known, code);
	number("exit_status", NULL, known && WIFEXITED(code), WEXITSTATUS(code));
	number("signal", NULL, killed, WTERMSIG(code));
	string("signal_name", NULL, killed ? signal_name(WTERMSIG(code), buffer) : NULL);
	boolean("core_dumped", known, killed && WCOREDUMP(code));
}
