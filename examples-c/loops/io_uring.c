/*
 * Follows all processes with io_uring. While the table has more changes, a poll completes at once.
 *     cc io_uring.c -o io_uring $(pkg-config --cflags --libs proc_connector liburing)
 */
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <proc_connector.h>
#include <signal.h>
#include <stdio.h>

static volatile sig_atomic_t stopping;
static void stop(int signal) { stopping = signal; } /* main() reads it within a second */

static void show(const struct pc_change *change)
{
	char line[256]; /* No line is longer. */
	pc_change_format(change, line, sizeof(line));
	puts(line);
}

int main(void)
{
	struct __kernel_timespec second = { .tv_sec = 1 };
	struct pc_table *table = NULL;
	struct pc_change change;
	struct io_uring ring;
	struct io_uring_cqe *cqe;
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGINT, stop);
	signal(SIGTERM, stop);
	errno = -io_uring_queue_init(4, &ring, 0);
	if (errno != 0) {
		perror("io_uring");
		return 1;
	}
	int result = pc_table_open(&table, NULL);
	io_uring_prep_timeout(io_uring_get_sqe(&ring), &second, 0, 0);
	io_uring_prep_poll_add(io_uring_get_sqe(&ring), pc_table_fd(table), POLLIN);
	while (result >= 0 && !stopping) {
		if (io_uring_submit_and_wait(&ring, 1) < 0 || io_uring_peek_cqe(&ring, &cqe) < 0)
			continue;
		if (cqe->res == -ETIME) {
			io_uring_prep_timeout(io_uring_get_sqe(&ring), &second, 0, 0);
			result = pc_table_check(table); /* Does the kernel still report? */
		} else {
			io_uring_prep_poll_add(io_uring_get_sqe(&ring), pc_table_fd(table), POLLIN);
			if ((result = pc_table_next(table, &change, 0)) == 1)
				show(&change);
		}
		io_uring_cqe_seen(&ring, cqe);
	}
	if (result < 0)
		fprintf(stderr, "io_uring: %s\n", pc_strerror(result));
	pc_table_close(table);
	return result < 0;
}
