/* Runs all promises, or those whose "file: sentence" contains the argument. */
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

static bool is_chosen(const struct promise *promise, const char *pattern)
{
	char title[512];
	snprintf(title, sizeof(title), "%s: %s", topic(promise), promise->sentence);
	return !pattern || strstr(title, pattern);
}

/* In a process group of its own, so that nothing it started outlives it. */
static int run(const struct promise *promise)
{
	pid_t child = fork();
	if (child == 0) {
		setpgid(0, 0);
		promise->prove();
		exit(0);
	}
	setpgid(child, child);
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
	if (WIFSIGNALED(status))
		fprintf(stderr, "# ended by signal %d (%s)\n", WTERMSIG(status),
			strsignal(WTERMSIG(status)));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static const char *pattern;

static int run_all(void)
{
	const char *may_skip = getenv("PROMISES_SKIP");
	int count = 0, failed = 0;
	setvbuf(stdout, NULL, _IONBF, 0);
	for (struct promise *p = first; p; p = p->next)
		count += is_chosen(p, pattern);
	printf("1..%d\n", count);
	int number = 0;
	for (struct promise *p = first; p; p = p->next) {
		if (!is_chosen(p, pattern))
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
	pattern = argc > 1 ? argv[1] : getenv("PROMISES");
	if (getpid() == 1)
		run_as_init(run_all);
	return run_all();
}
