/* The pure functions: parse, format, name. */
#include "support.h"

#include <errno.h>
#include <linux/cn_proc.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	uint32_t what, kind;
	size_t size;
	const char *name;
} kinds[] = {
	{ PROC_EVENT_FORK, PC_EVENT_FORK, 16, "fork" },
	{ PROC_EVENT_EXEC, PC_EVENT_EXEC, 8, "exec" },
	{ PROC_EVENT_EXIT, PC_EVENT_EXIT, 24, "exit" },
	{ PROC_EVENT_UID, PC_EVENT_UID, 16, "uid" },
	{ PROC_EVENT_GID, PC_EVENT_GID, 16, "gid" },
	{ PROC_EVENT_SID, PC_EVENT_SID, 8, "sid" },
	{ PROC_EVENT_PTRACE, PC_EVENT_PTRACE, 16, "ptrace" },
	{ PROC_EVENT_COMM, PC_EVENT_COMM, 24, "comm" },
	{ PROC_EVENT_COREDUMP, PC_EVENT_COREDUMP, 16, "coredump" },
	{ 0x00000400, PC_EVENT_UNKNOWN, 24, "unknown" },
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static const unsigned char payload[24] = { 1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12,
					   13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24 };

PROMISE(defined_bytes, "pc_parse takes over every field that a kind defines, and zeroes all other bytes")
{
	for (int i = 0; i < KINDS; i++) {
		unsigned char datagram[EVENT_SIZE + 1];
		make_datagram(datagram + 1, kinds[i].what, 77, payload, sizeof(payload));
		struct pc_event event;
		memset(&event, 0xaa, sizeof(event));
		/* At an odd address: no alignment is assumed. */
		CHECK_EQ(pc_parse(datagram + 1, EVENT_SIZE, &event), 1);
		CHECK_EQ(event.kind, kinds[i].kind);
		CHECK_EQ(event.cpu, 1);
		CHECK_EQ(event.seq, 77);
		CHECK_EQ(event.timestamp_ns, 0x0123456789abcdef);
		CHECK_EQ(event.reserved, 0);
		unsigned char expected[40] = { 0 };
		if (event.kind == PC_EVENT_UNKNOWN) {
			uint32_t header[2] = { kinds[i].what, 24 };
			memcpy(expected, header, 8);
			memcpy(expected + 8, payload, 24);
		} else {
			memcpy(expected, payload, kinds[i].size);
		}
		if (event.kind == PC_EVENT_COMM)
			expected[23] = 0;
		CHECK(memcmp(&event.data, expected, 40) == 0);
	}
}

PROMISE(every_length, "pc_parse refuses a datagram cut at any length, without reading beyond it")
{
	for (int i = 0; i < KINDS; i++) {
		unsigned char whole[EVENT_SIZE];
		make_datagram(whole, kinds[i].what, 0, payload, sizeof(payload));
		for (size_t size = 0; size < EVENT_SIZE; size++) {
			/* On the heap and exactly so long, for valgrind to watch. */
			unsigned char *cut = malloc(size ? size : 1);
			CHECK(cut != NULL);
			memcpy(cut, whole, size);
			struct pc_event event = { .kind = 99 };
			CHECK_EQ(pc_parse(cut, size, &event), -EBADMSG);
			/* The same with headers that agree with the shorter length. */
			bool complete = size >= 52 + kinds[i].size ||
					(kinds[i].kind == PC_EVENT_UNKNOWN && size >= 52);
			if (size >= 36) {
				uint32_t message = (uint32_t)size;
				uint16_t data = (uint16_t)(size - 36);
				memcpy(cut, &message, 4);
				memcpy(cut + 32, &data, 2);
				CHECK_EQ(pc_parse(cut, size, &event), complete ? 1 : -EBADMSG);
			}
			if (!complete)
				CHECK_EQ(event.kind, 99);
			free(cut);
		}
	}
}

PROMISE(control_messages, "for control messages and acknowledgements pc_parse returns 0 and writes nothing")
{
	unsigned char datagram[EVENT_SIZE];
	struct pc_event event = { .kind = 99 };
	static const uint16_t types[] = { NLMSG_NOOP, NLMSG_ERROR, NLMSG_OVERRUN };
	for (int i = 0; i < 3; i++) {
		make_exec(datagram, 1);
		memcpy(datagram + 4, &types[i], 2);
		CHECK_EQ(pc_parse(datagram, EVENT_SIZE, &event), 0);
	}
	make_datagram(datagram, PROC_EVENT_NONE, 0, payload, 4);
	CHECK_EQ(pc_parse(datagram, EVENT_SIZE, &event), 0);
	uint32_t size = 16;
	memcpy(datagram, &size, 4);
	CHECK_EQ(pc_parse(datagram, 16, &event), 0);
	make_exec(datagram, 1);
	datagram[16] = 2; /* another user of the connector */
	CHECK_EQ(pc_parse(datagram, EVENT_SIZE, &event), 0);
	CHECK_EQ(event.kind, 99);
}

PROMISE(lying_headers, "pc_parse refuses headers that claim more bytes than the datagram has")
{
	static const uint32_t sizes[] = { 0, 15, 17, 35, 37, 75, 77, 0x7fffffff, 0xffffffff };
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		unsigned char datagram[EVENT_SIZE];
		struct pc_event event;
		make_exec(datagram, 1);
		memcpy(datagram, &sizes[i], 4);
		CHECK_EQ(pc_parse(datagram, EVENT_SIZE, &event), -EBADMSG);
	}
	for (uint32_t data = 0; data <= 0xffff; data++) {
		unsigned char datagram[EVENT_SIZE];
		struct pc_event event;
		uint16_t claimed = (uint16_t)data;
		make_exec(datagram, 1);
		memcpy(datagram + 32, &claimed, 2);
		CHECK_EQ(pc_parse(datagram, EVENT_SIZE, &event),
			 data >= 24 && data <= 40 ? 1 : -EBADMSG);
	}
}

PROMISE(tgids, "pc_event_tgid returns the process that an event is about")
{
	for (int i = 0; i < KINDS; i++) {
		unsigned char datagram[EVENT_SIZE];
		int32_t ids[6] = { 11, 12, 13, 14, 15, 16 };
		make_datagram(datagram, kinds[i].what, 0, ids, sizeof(ids));
		struct pc_event event;
		CHECK_EQ(pc_parse(datagram, EVENT_SIZE, &event), 1);
		CHECK_EQ(pc_event_tgid(&event), kinds[i].kind == PC_EVENT_FORK	     ? 14
						: kinds[i].kind == PC_EVENT_UNKNOWN ? 0
										    : 12);
	}
	struct pc_event overrun = { .kind = PC_EVENT_OVERRUN, .data.overrun.lost = ~0ull };
	CHECK_EQ(pc_event_tgid(&overrun), 0);
}

PROMISE(names, "pc_event_name has a name for every kind, also for kinds of later versions")
{
	for (int i = 0; i < KINDS; i++)
		CHECK(strcmp(pc_event_name(kinds[i].kind), kinds[i].name) == 0);
	CHECK(strcmp(pc_event_name(PC_EVENT_OVERRUN), "overrun") == 0);
	CHECK(strcmp(pc_event_name(0), "unknown") == 0);
	CHECK(strcmp(pc_event_name(99), "unknown") == 0);
	CHECK(strcmp(pc_event_name(0xffffffff), "unknown") == 0);
}

static void check_line(const struct pc_event *event, const char *expected)
{
	char line[256];
	CHECK_EQ(pc_event_format(event, line, sizeof(line)), strlen(expected));
	if (strcmp(line, expected) != 0)
		fail(__FILE__, __LINE__, "\"%s\" is not \"%s\"", line, expected);
}

PROMISE(lines, "pc_event_format writes one readable line")
{
	struct pc_event event = { .cpu = 1, .seq = 2, .timestamp_ns = 3000000004 };
	event.kind = PC_EVENT_FORK;
	event.data.fork = (struct pc_event_fork){ 1, 2, 3, 4 };
	check_line(&event, "fork parent=1/2 child=3/4 cpu=1 seq=2 ts=3.000000004");
	event.kind = PC_EVENT_EXIT;
	event.data.exit = (struct pc_event_exit){ 5, 6, 3 << 8, 17, 7, 8 };
	check_line(&event,
		   "exit pid=5 tgid=6 status=3 exit_signal=17 parent=7/8 cpu=1 seq=2 ts=3.000000004");
	event.data.exit.exit_code = 11 | 0x80;
	event.data.exit.exit_signal = -1;
	check_line(&event,
		   "exit pid=5 tgid=6 killed=11 core exit_signal=-1 parent=7/8 cpu=1 seq=2 ts=3.000000004");
	event.kind = PC_EVENT_UID;
	event.data.uid = (struct pc_event_uid){ -2147483647 - 1, 0, 4294967295u, 0 };
	check_line(&event, "uid pid=-2147483648 tgid=0 ruid=4294967295 euid=0 cpu=1 seq=2 ts=3.000000004");
	event.kind = PC_EVENT_COMM;
	event.data.comm = (struct pc_event_comm){ 5, 6, "a\"b\\c\n\x1b\xff" };
	check_line(&event, "comm pid=5 tgid=6 comm=\"a\\\"b\\\\c\\x0a\\x1b\\xff\" cpu=1 seq=2 ts=3.000000004");
	event.kind = PC_EVENT_OVERRUN;
	event.data.overrun = (struct pc_event_overrun){ 18446744073709551615u, 1500000000, 1, 0 };
	check_line(&event, "overrun lost=18446744073709551615 reason=1 since=1.500000000 ts=3.000000004");
	event.kind = 99;
	event.data.unknown = (struct pc_event_unknown){ .what = 0xdeadbeef, .size = 24 };
	check_line(&event, "unknown what=0xdeadbeef size=24 cpu=1 seq=2 ts=3.000000004");
}

PROMISE(short_buffers, "pc_event_format follows snprintf's rules for every buffer size")
{
	struct pc_event event = { .kind = PC_EVENT_COMM };
	memset(event.data.comm.comm, 0xff, 15);
	char whole[256];
	int length = pc_event_format(&event, whole, sizeof(whole));
	CHECK(length > 0 && length < 256);
	CHECK_EQ(pc_event_format(&event, NULL, 0), length);
	for (size_t size = 1; size < 256; size++) {
		char *part = malloc(size);
		CHECK(part != NULL);
		CHECK_EQ(pc_event_format(&event, part, size), length);
		size_t fitting = size - 1 < (size_t)length ? size - 1 : (size_t)length;
		CHECK_EQ(strlen(part), fitting);
		CHECK(memcmp(part, whole, fitting) == 0);
		free(part);
	}
}
