/*
 * Logs who ran what: each program with parent, user, cgroup, executable and arguments, and its exit with status
 * and run time. If a text could not be read, the line has the reason: command=<No such process>.
 *     cc whoranwhat.c -o whoranwhat $(pkg-config --cflags --libs proc_connector)
 * SIGHUP restarts it without missing an event. (systemd's FD store can keep its socket across a crash, too.)
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <proc_connector.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SOCKET "WHORANWHAT_SOCKET" /* environment variable: the number of the descriptor for a successor */

enum { NOT_LOGGED = 0, START_UNKNOWN = 1 }; /* pc_process.user; otherwise the start, CLOCK_MONOTONIC in ns */

static struct pc_table *table;
static volatile sig_atomic_t stopping, restarting;

static void note_signal(int number)
{
	*(number == SIGHUP ? &restarting : &stopping) = 1;
}

/* Writes the text in quotes, escaped so that it stays on one line and keeps every byte. Or writes why there is none. */
static void put(const char *prefix, const char *text, int error)
{
	printf(error ? "%s<" : "%s\"", prefix);
	for (text = error ? strerror(-error) : text; *text; text++)
		printf(*text < ' ' || *text > '~' ? "\\x%02x" : strchr("\"\\", *text) ? "\\%c" : "%c",
		       (unsigned char)*text);
	putchar(error ? '>' : '"');
}

/* The table read these texts at the EXEC, and keeps them until it has reported the exit. */
static void put_command(const struct pc_process *process)
{
	struct pc_command command = { .command_line_error = -ESRCH, .executable_error = -ESRCH };
	pc_table_command(table, process, &command);
	const char *argument = command.command_line;
	put(" executable=", command.executable, command.executable_error);
	put(" command=", argument, command.command_line_error);
	while (argument && (argument += strlen(argument) + 1) < command.command_line + command.command_line_length)
		put(",", argument, 0);
	fputs(command.flags & PC_COMMAND_CUT ? ",..." : "", stdout);
	puts(command.flags & PC_COMMAND_DOUBTFUL ? " command_doubtful" : "");
}

static void put_start(const char *line, const struct pc_process *process)
{
	char cgroup[4096], uid[16];
	struct pc_process parent = { 0 };
	struct pc_text text = { PC_TEXT_CGROUP, -ESRCH, cgroup, sizeof(cgroup), 0 };
	if (process->valid & PC_FIELD_START) /* Read before formatting: the cgroup vanishes with the process. */
		pc_process_texts_of(process, &text, 1);
	pc_table_get(table, process->parent_pid, &parent);
	struct passwd *user = getpwuid(process->ruid);
	snprintf(uid, sizeof(uid), "%u", process->ruid);
	fputs(line, stdout);
	put(" parent_comm=", parent.comm, parent.id && parent.id == process->parent_id ? 0 : -ESRCH);
	put(" user=", user ? user->pw_name : uid, process->valid & PC_FIELD_CREDENTIALS ? 0 : -ESRCH);
	put(" cgroup=", cgroup, text.error);
	put_command(process);
}

static uint64_t now_ns(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void take(const struct pc_change *change)
{
	const struct pc_process *process = &change->process;
	char line[256], run_time[32] = "<unknown>"; /* pc_change_format() writes no longer lines. */
	uint64_t event_ns = change->timestamp_ns, start_ns = event_ns;
	int is_found = change->kind == PC_CHANGE_FOUND || /* or the EXEC may have been lost */
		       (change->kind == PC_CHANGE_STARTED && change->flags & PC_CHANGE_RECOVERED);
	pc_change_format(change, line, sizeof(line));
	if (change->kind == PC_CHANGE_EXECED || (is_found && !(process->state & PC_PROCESS_KERNEL_THREAD))) {
		if (is_found) /* The start of the process is known, but not the start of its program. */
			start_ns = !(process->valid & PC_FIELD_START) ? START_UNKNOWN :
				process->start_boottime_ns - now_ns(CLOCK_BOOTTIME) + now_ns(CLOCK_MONOTONIC);
		pc_table_set_user(table, process->pid, start_ns);
		put_start(line, process);
	} else if ((change->kind == PC_CHANGE_EXITED || change->kind == PC_CHANGE_VANISHED) &&
		   process->user != NOT_LOGGED) {
		if (process->user != START_UNKNOWN)
			snprintf(run_time, sizeof(run_time), "%.6f", (double)(event_ns - process->user) / 1e9);
		printf("%s run_time=%s", line, run_time);
		put_command(process);
	} else if (change->kind == PC_CHANGE_UNSYNCED || change->kind == PC_CHANGE_SYNCED) {
		puts(line); /* reports how many events were lost */
	}
}

/* No change is pending, so there is time to write, and the table can be released. */
static int write_or_restart(char **argv)
{
	char number[16];
	if (fflush(stdout) != 0 || ferror(stdout))
		err(1, "stdout");
	int socket = restarting ? pc_table_release(table) : -EBUSY;
	if (socket < 0)
		return socket == -EBUSY ? 0 : socket;
	snprintf(number, sizeof(number), "%d", socket);
	setenv(SOCKET, number, 1);
	fcntl(socket, F_SETFD, 0); /* It stays open across execve(2). */
	signal(SIGHUP, SIG_IGN); /* until the successor handles it */
	execvp(argv[0], argv);
	err(1, "%s", argv[0]);
}

int main(int argc, char **argv)
{
	static char buffer[1 << 16];
	const char *socket = getenv(SOCKET);
	struct pc_change change;
	struct pc_table_options options = PC_TABLE_OPTIONS_INIT;
	options.flags = PC_TABLE_PIDFD_INODES | (socket ? PC_TABLE_SUBSCRIBED : 0);
	options.rcvbuf_bytes = argc > 1 ? (uint32_t)atoi(argv[1]) : 0; /* the budget of the queue */
	options.text_bytes = 4096;
	setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	signal(SIGHUP, note_signal);
	signal(SIGINT, note_signal);
	signal(SIGTERM, note_signal);
	if (pc_wake_soon(PC_WAKE_SLICE) < PC_WAKE_SLICE)
		warnx("the kernel grants no short slice: some short programs will be gone before they are read");
	int result = socket ? pc_table_open_fd(&table, atoi(socket), &options) : pc_table_open(&table, &options);
	for (int timeout_ms = 0; result >= 0 && !stopping; timeout_ms = result == 0 ? 1000 : 0) {
		result = pc_table_next(table, &change, timeout_ms);
		if (result == 1)
			take(&change);
		else if (result == 0) /* No change for a second: does the kernel still report? */
			result = timeout_ms ? pc_table_check(table) : write_or_restart(argv);
		else if (result == -EINTR || result == -ENOMEM || result == -EMFILE || result == -ENFILE)
			result = 1; /* Nothing is lost: call again. */
	}
	if (result < 0)
		errx(1, "%s", pc_strerror(result));
	pc_table_close(table);
	return fflush(stdout) != 0;
}
