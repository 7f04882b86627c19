/* How large a burst is held while the reader sleeps, and how much of many small ones is lost. */
#include "bench.h"
#include "peers.h"

#include <stdatomic.h>
#include <pthread.h>
#include <time.h>

enum { SYSTEM_DEFAULT = 212992 };

static void held_turn(int i)
{
	static const struct listener peer = { "proc-connector", peer_open, NULL,
					      NULL,		peer_fd,   peer_close };
	const struct listener *listener = (const struct listener *[]){ &our_recv, &peer }[i];
	enum { SENT = 60000 };
	void *handle = listener->open(0);
	flood(SENT);
	double held = SENT - (double)drops(listener->fd(handle));
	listener->close(handle);
	sample("held", listener->name, held);
}

static atomic_bool flooding;

/* Bursts of 1,000, four times what the queue holds, with time to catch up in between. */
static void *send_bursts(void *bursts)
{
	pin(WRITER_CPU);
	for (int i = 0; i < *(int *)bursts; i++) {
		flood(1000);
		nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
	}
	flooding = false;
	return NULL;
}

static void lost_turn(int i)
{
	const struct listener *listener = (const struct listener *[]){ &our_recv, &bare_enobufs }[i];
	void *handle = listener->open(SYSTEM_DEFAULT);
	int bursts = extent(100, 3);
	uint32_t before = drops(listener->fd(handle));
	pthread_t writer;
	flooding = true;
	CHECK_EQ(pthread_create(&writer, NULL, send_bursts, &bursts), 0);
	while (flooding)
		work((uint64_t)listener->next(handle) * 1000);
	pthread_join(writer, NULL);
	uint32_t lost = drops(listener->fd(handle)) - before;
	listener->close(handle);
	sample("lost", listener->name, (double)lost / (bursts * 1000.0));
}

void measure_burst(void)
{
	pin(READER_CPU);
	alternate(extent(5, 1), 2, held_turn);
	alternate(extent(20, 1), 2, lost_turn);
}
