/* How long an event takes that waits already. */
#include "bench.h"
#include "peers.h"

/* Those that are compared stand side by side. What does not differ shows how large noise is. */
static const struct listener *const c_listeners[] = {
	&bare_recv, &bare_again, &bare_recvfrom, &our_recv, &our_recv_many, &bare_recvmmsg,
};
static const struct listener rust_listeners[] = {
	{ "cnproc", cnproc_open, cnproc_recv, NULL, NULL, cnproc_close },
	{ "our recv_events", face_open, face_recv_events, NULL, NULL, face_close },
	{ "our recv_event", face_open, face_recv_event, NULL, NULL, face_close },
	{ "our recv", face_open, face_recv, NULL, NULL, face_close },
	{ "proc-connector recv", peer_open, peer_recv, NULL, NULL, peer_close },
	{ "our recv_timeout", face_open, face_recv_timeout, NULL, NULL, face_close },
	{ "proc-connector recv_timeout", peer_open, peer_recv_timeout, NULL, NULL, peer_close },
};
enum {
	C_LISTENERS = sizeof(c_listeners) / sizeof(c_listeners[0]),
	LISTENERS = C_LISTENERS + sizeof(rust_listeners) / sizeof(rust_listeners[0]),
};

static const struct listener *listener(int i)
{
	return i < C_LISTENERS ? c_listeners[i] : &rust_listeners[i - C_LISTENERS];
}

static const char *measurement;
static long waiting;

/* Each alone in turn, because every other listener would slow the flood down and share caches. */
static void turn(int i)
{
	void *handle = listener(i)->open(QUEUE);
	flood(BATCH + waiting);
	listener(i)->drain(handle, BATCH); /* what the first events cost besides is not the question */
	uint64_t begun = now_ns();
	long got = listener(i)->drain(handle, waiting);
	uint64_t ended = now_ns();
	CHECK_EQ(got, waiting);
	listener(i)->close(handle);
	sample(measurement, listener(i)->name, (double)(ended - begun) / (double)got);
}

void measure_drain(void)
{
	pin(READER_CPU);
	measurement = "drain-few";
	waiting = 2048;
	alternate(extent(300, 1), LISTENERS, turn);
	measurement = "drain-many";
	waiting = extent(30720, 2048);
	alternate(extent(30, 1), LISTENERS, turn);
}

void count_drain(void)
{
	for (int i = 0; i < C_LISTENERS; i++) {
		if (listener(i) == &bare_again)
			continue; /* the same function: it would count double */
		void *handle = listener(i)->open(QUEUE);
		flood(1024);
		CHECK_EQ(listener(i)->drain(handle, 1024), 1024);
		listener(i)->close(handle);
	}
}
