/*
 * Follows all processes in a thread that blocks in pc_table_next(), until pc_table_interrupt().
 *     cc thread.c -o thread -pthread $(pkg-config --cflags --libs proc_connector)
 */
#include <errno.h>
#include <proc_connector.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>

static struct pc_table *table;
static atomic_int followed; /* what pc_table_next() returned last */

static void show(const struct pc_change *change)
{
	char line[256]; /* No line is longer. */
	pc_change_format(change, line, sizeof(line));
	puts(line);
}

static void *follow(void *unused)
{
	struct pc_change change;
	while (followed >= 0) {
		followed = pc_table_next(table, &change, -1);
		if (followed == 1)
			show(&change);
	}
	return unused;
}

int main(void)
{
	const struct timespec second = { .tv_sec = 1 };
	pthread_t thread;
	sigset_t stop;
	setvbuf(stdout, NULL, _IOLBF, 0);
	sigemptyset(&stop);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &stop, NULL); /* The thread inherits this mask. */

	int result = pc_table_open(&table, NULL);
	if (result >= 0 && (result = -pthread_create(&thread, NULL, follow, NULL)) >= 0) {
		while (result >= 0 && followed >= 0 && sigtimedwait(&stop, NULL, &second) < 0)
			result = pc_table_check(table); /* Does the kernel still report? */
		pc_table_interrupt(table); /* pc_table_next() returns -ECANCELED. */
		pthread_join(thread, NULL);
		if (result >= 0 && followed != -ECANCELED)
			result = followed;
	}
	if (result < 0)
		fprintf(stderr, "thread: %s\n", pc_strerror(result));
	pc_table_close(table);
	return result < 0;
}
