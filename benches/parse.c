/* The parser alone, on datagrams of all nine kinds in random order. */
#include "bench.h"
#include "peers.h"

#include <linux/cn_proc.h>
#include <stdlib.h>

enum { DATAGRAMS = 1024 };
static unsigned char datagrams[DATAGRAMS][EVENT_SIZE];

static void make_datagrams(void)
{
	static const uint32_t kinds[] = { 0x1,	0x2,   0x4,	   0x40,       0x80,
					  0x100, 0x200, 0x40000000, 0x80000000 };
	uint32_t data[6] = { 4711, 4711, 0x68736162, 0, 17, 0 };
	srandom(1);
	for (uint32_t i = 0; i < DATAGRAMS; i++)
		make_datagram(datagrams[i], kinds[random() % 9], i, data, sizeof(data));
}

static long parse_ours(const void *first, size_t count)
{
	struct pc_event event;
	long events = 0;
	const unsigned char *datagram = first;
	for (size_t i = 0; i < count; i++)
		events += pc_parse(datagram + i * EVENT_SIZE, EVENT_SIZE, &event) == 1;
	return events;
}

static const struct {
	const char *name;
	long (*parse)(const void *datagrams, size_t count);
} parsers[] = {
	{ "pc_parse", parse_ours },
	{ "proc-connector", peer_parse },
	{ "our parse_netlink_message", face_parse },
};
enum { PARSERS = sizeof(parsers) / sizeof(parsers[0]) };

static void turn(int i)
{
	enum { REPEATS = 20 };
	uint64_t begun = now_ns();
	for (int repeat = 0; repeat < REPEATS; repeat++)
		CHECK_EQ(parsers[i].parse(datagrams, DATAGRAMS), DATAGRAMS);
	sample("parse", parsers[i].name, (double)(now_ns() - begun) / (REPEATS * DATAGRAMS));
}

void measure_parse(void)
{
	pin(READER_CPU);
	make_datagrams();
	alternate(extent(500, 1), PARSERS, turn);
}

void count_parse(void)
{
	make_datagrams();
	for (int i = 0; i < PARSERS; i++)
		CHECK_EQ(parsers[i].parse(datagrams, DATAGRAMS), DATAGRAMS);
}
