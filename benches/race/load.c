/*
 * Starts short programs, whose command lines others try to read in time.
 *
 *     load PROGRAM NAME COUNT PARENTS PERIOD_US
 *
 * Each of the parents starts its share, one after another: one each PERIOD_US, or without a gap if that
 * is 0. The n-th program of all is called as PROGRAM NAME-n.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void start(char *program, const char *name, long number)
{
	char argument[64];
	snprintf(argument, sizeof(argument), "%s-%ld", name, number);
	pid_t child = fork();
	if (child == 0) {
		execv(program, (char *[]){ program, argument, NULL });
		_exit(127);
	}
	int status;
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (child < 0 || status != 0)
		exit(1);
}

static int run(char **argv, long first, long step)
{
	long count = atol(argv[3]), period_us = atol(argv[5]);
	struct timespec due;
	clock_gettime(CLOCK_MONOTONIC, &due);
	for (long i = first; i < count; i += step) {
		start(argv[1], argv[2], i);
		due.tv_nsec += period_us * 1000;
		due.tv_sec += due.tv_nsec / 1000000000;
		due.tv_nsec %= 1000000000;
		if (period_us > 0)
			clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc != 6)
		return 2;
	long parents = atol(argv[4]);
	int failed = 0, status;
	for (long i = 0; i < parents; i++)
		if (fork() == 0)
			return run(argv, i, parents);
	while (wait(&status) > 0)
		failed |= status;
	return failed != 0;
}
