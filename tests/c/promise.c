/* Runs all promises, or those whose "file: sentence" contains one of the arguments. */
#include "promise.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Only a promise that hangs reaches it, however busy the machine is. */
enum { TIME_LIMIT = 300 };

static struct promise *first, **last = &first;

void promise_register(struct promise *promise)
{
	*last = promise;
	last = &promise->next;
}

static const char *topic(const struct promise *promise)
{
	static char name[64];
	const char *slash = strrchr(promise->file, '/');
	snprintf(name, sizeof(name), "%s", slash ? slash + 1 : promise->file);
	char *dot = strrchr(name, '.');
	if (dot)
		*dot = '\0';
	return name;
}

/* Parts of titles; NULL ends them. Without any, all promises are chosen. */
static char **patterns;

static bool is_chosen(const struct promise *promise)
{
	char title[512];
	snprintf(title, sizeof(title), "%s: %s", topic(promise), promise->sentence);
	for (char **pattern = patterns; *pattern; pattern++)
		if (strstr(title, *pattern))
			return true;
	return !*patterns;
}

static volatile pid_t group; /* of the promise that runs */

static void end_with(int number)
{
	if (group > 0)
		kill(-group, SIGKILL);
	signal(number, SIG_DFL);
	raise(number);
}

/* In a process group of its own, so that nothing it started outlives it. */
static int run(const struct promise *promise)
{
	pid_t child = fork();
	if (child == 0) {
		setpgid(0, 0);
		signal(SIGINT, SIG_DFL);
		signal(SIGTERM, SIG_DFL);
		promise->prove();
		exit(0);
	}
	setpgid(child, child);
	group = child;
	int status = -1;
	const char *limit = getenv("PROMISES_TIME_LIMIT");
	time_t deadline = time(NULL) + (limit ? atoi(limit) : TIME_LIMIT);
	while (waitpid(child, &status, WNOHANG) == 0) {
		if (time(NULL) > deadline) {
			fprintf(stderr, "# still running\n");
			kill(child, SIGKILL);
		}
		usleep(1000);
	}
	kill(-child, SIGKILL);
	group = 0;
	if (WIFSIGNALED(status))
		fprintf(stderr, "# ended by signal %d (%s)\n", WTERMSIG(status),
			strsignal(WTERMSIG(status)));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int run_all(void)
{
	const char *may_skip = getenv("PROMISES_SKIP");
	int count = 0, failed = 0;
	setvbuf(stdout, NULL, _IONBF, 0);
	for (struct promise *p = first; p; p = p->next)
		count += is_chosen(p);
	printf("1..%d\n", count);
	int number = 0;
	for (struct promise *p = first; p; p = p->next) {
		if (!is_chosen(p))
			continue;
		int result = run(p);
		bool skipped = result == SKIPPED;
		bool kept = result == 0 || (skipped && !(may_skip && strcmp(may_skip, "no") == 0));
		failed += !kept;
		printf("%sok %d - %s: %s%s\n", kept ? "" : "not ", ++number, topic(p), p->sentence,
		       skipped ? " # SKIP see above" : "");
	}
	return failed > 0;
}

int main(int argc, char **argv)
{
	char *from_environment[] = { getenv("PROMISES"), NULL };
	patterns = argc > 1 ? argv + 1 : from_environment;
	signal(SIGINT, end_with);
	signal(SIGTERM, end_with);
	if (getpid() == 1)
		run_as_init(run_all);
	return run_all();
}
