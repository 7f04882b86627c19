/* What a change is called, and its line for logs. */
#include "follower.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EVERY_FIELD = PC_FIELD_PARENT | PC_FIELD_START | PC_FIELD_SESSION | PC_FIELD_COMM |
	PC_FIELD_CREDENTIALS };

PROMISE(change_names, "pc_change_name has a name for every kind, also for kinds of later versions")
{
	static const char *const names[] = { "unknown", "found", "started", "execed", "renamed",
		"credentials", "session", "reparented", "exited", "vanished", "synced", "unsynced",
		"unknown" };
	CHECK_EQ(PC_CHANGE_UNSYNCED, 11);
	for (uint32_t kind = 0; kind < sizeof(names) / sizeof(names[0]); kind++)
		CHECK(strcmp(pc_change_name(kind), names[kind]) == 0);
	CHECK(strcmp(pc_change_name(255), "unknown") == 0);
	CHECK(strcmp(pc_change_name(256 + PC_CHANGE_FOUND), "unknown") == 0);
	CHECK(strcmp(pc_change_name(0xffffffff), "unknown") == 0);
}

static struct pc_change made(uint32_t kind, uint32_t flags)
{
	return (struct pc_change){
		.kind = kind,
		.flags = flags,
		.timestamp_ns = 3000000004,
		.process = { .pid = 7, .parent_pid = 6, .session = 5, .valid = EVERY_FIELD, .ruid = 1,
			     .euid = 2, .rgid = 3, .egid = 4294967295u, .comm = "sh" },
	};
}

static struct pc_change about_table(uint32_t kind, uint32_t flags, uint64_t lost, uint64_t since_ns)
{
	return (struct pc_change){ .kind = kind, .flags = flags, .timestamp_ns = 3000000004,
				   .lost = lost, .since_ns = since_ns };
}

static void check_line(struct pc_change change, const char *expected)
{
	char line[256];
	int length = pc_change_format(&change, line, sizeof(line));
	if (strcmp(line, expected) != 0)
		fail(__FILE__, __LINE__, "\"%s\" is not \"%s\"", line, expected);
	CHECK_EQ(length, strlen(expected));
}

PROMISE(change_lines, "pc_change_format writes one readable line, with what each kind is about")
{
	check_line(made(PC_CHANGE_FOUND, 0), "found pid=7 parent=6 comm=\"sh\" ts=3.000000004");
	check_line(made(PC_CHANGE_STARTED, PC_CHANGE_RECOVERED),
		   "started pid=7 parent=6 comm=\"sh\" recovered ts=3.000000004");
	check_line(made(PC_CHANGE_EXECED, 0), "execed pid=7 parent=6 comm=\"sh\" ts=3.000000004");
	check_line(made(PC_CHANGE_RENAMED, 0), "renamed pid=7 parent=6 comm=\"sh\" ts=3.000000004");
	check_line(made(PC_CHANGE_CREDENTIALS, 0),
		   "credentials pid=7 parent=6 comm=\"sh\" ruid=1 euid=2 rgid=3 egid=4294967295 ts=3.000000004");
	check_line(made(PC_CHANGE_SESSION, 0),
		   "session pid=7 parent=6 session=5 comm=\"sh\" ts=3.000000004");
	check_line(made(PC_CHANGE_REPARENTED, 0),
		   "reparented pid=7 parent=6 comm=\"sh\" ts=3.000000004");
	check_line(made(PC_CHANGE_VANISHED, PC_CHANGE_RECOVERED),
		   "vanished pid=7 parent=6 comm=\"sh\" recovered ts=3.000000004");
	check_line(made(99, 0), "unknown pid=7 parent=6 comm=\"sh\" ts=3.000000004");
}

PROMISE(exit_lines, "the line of an EXITED says how the process exited, whose status that is, and if it is not known")
{
	struct pc_change change = made(PC_CHANGE_EXITED, PC_CHANGE_EXIT_CODE);
	check_line(change, "exited pid=7 parent=6 comm=\"sh\" status=0 ts=3.000000004");
	change.exit_code = 3 << 8;
	check_line(change, "exited pid=7 parent=6 comm=\"sh\" status=3 ts=3.000000004");
	change.exit_code = SIGSEGV | 0x80;
	check_line(change, "exited pid=7 parent=6 comm=\"sh\" killed=11 core ts=3.000000004");
	change.flags |= PC_CHANGE_LEADER_CODE;
	check_line(change, "exited pid=7 parent=6 comm=\"sh\" leader_killed=11 core ts=3.000000004");
	change.exit_code = 255 << 8;
	check_line(change, "exited pid=7 parent=6 comm=\"sh\" leader_status=255 ts=3.000000004");
	change = made(PC_CHANGE_EXITED, 0);
	check_line(change, "exited pid=7 parent=6 comm=\"sh\" status=unknown ts=3.000000004");
}

PROMISE(synced_lines, "the lines of a SYNCED and an UNSYNCED have the number of lost events, and since when one may be missing")
{
	const uint64_t since_ns = 1500000000;
	check_line(about_table(PC_CHANGE_SYNCED, 0, 0, 0), "synced lost=0 ts=3.000000004");
	check_line(about_table(PC_CHANGE_SYNCED, PC_CHANGE_RECOVERED, 18446744073709551615u, since_ns),
		   "synced lost=18446744073709551615 since=1.500000000 recovered ts=3.000000004");
	check_line(about_table(PC_CHANGE_SYNCED, PC_CHANGE_RECOVERED | PC_CHANGE_DEAF, 0, since_ns),
		   "synced lost=0 since=1.500000000 recovered deaf ts=3.000000004");
	check_line(about_table(PC_CHANGE_UNSYNCED, 0, 5, since_ns),
		   "unsynced lost=5 since=1.500000000 ts=3.000000004");
	check_line(about_table(PC_CHANGE_UNSYNCED, PC_CHANGE_DEAF, 0, since_ns),
		   "unsynced lost=0 since=1.500000000 deaf ts=3.000000004");
	check_line(about_table(PC_CHANGE_UNSYNCED, 0, 0, 0), "unsynced lost=0 ts=3.000000004");
}

PROMISE(valid_fields, "pc_change_format leaves out each field that is not valid")
{
	static const struct {
		uint32_t kind, field;
		const char *line;
	} rows[] = {
		{ PC_CHANGE_STARTED, PC_FIELD_COMM, "started pid=7 parent=6 ts=3.000000004" },
		{ PC_CHANGE_EXECED, PC_FIELD_COMM, "execed pid=7 parent=6 ts=3.000000004" },
		{ PC_CHANGE_EXITED, PC_FIELD_COMM,
		  "exited pid=7 parent=6 status=unknown ts=3.000000004" },
		{ PC_CHANGE_STARTED, PC_FIELD_PARENT, "started pid=7 comm=\"sh\" ts=3.000000004" },
		{ PC_CHANGE_SESSION, PC_FIELD_SESSION,
		  "session pid=7 parent=6 comm=\"sh\" ts=3.000000004" },
		{ PC_CHANGE_CREDENTIALS, PC_FIELD_CREDENTIALS,
		  "credentials pid=7 parent=6 comm=\"sh\" ts=3.000000004" },
		{ PC_CHANGE_CREDENTIALS, EVERY_FIELD, "credentials pid=7 ts=3.000000004" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pc_change change = made(rows[i].kind, 0);
		change.process.valid &= ~rows[i].field;
		check_line(change, rows[i].line);
	}
}

PROMISE(escaped_names, "pc_change_format escapes a name, so that no name can forge a line of a log")
{
	struct pc_change change = made(PC_CHANGE_RENAMED, 0);
	strcpy(change.process.comm, "a\"b\\c\n\x1b\xff");
	check_line(change,
		   "renamed pid=7 parent=6 comm=\"a\\\"b\\\\c\\x0a\\x1b\\xff\" ts=3.000000004");
	strcpy(change.process.comm, "");
	check_line(change, "renamed pid=7 parent=6 comm=\"\" ts=3.000000004");
}

PROMISE(short_change_buffers, "pc_change_format follows snprintf's rules for every buffer size, and returns -EINVAL for NULL")
{
	struct pc_change change = made(PC_CHANGE_CREDENTIALS, PC_CHANGE_RECOVERED);
	change.process.pid = change.process.parent_pid = -2147483647 - 1;
	memset(change.process.comm, 0xff, 15);
	char whole[256];
	int length = pc_change_format(&change, whole, sizeof(whole));
	CHECK(length > 0 && length < 256);
	CHECK_EQ(pc_change_format(&change, NULL, 0), length);
	for (size_t size = 1; size < 256; size++) {
		char *part = malloc(size);
		CHECK(part != NULL);
		CHECK_EQ(pc_change_format(&change, part, size), length);
		size_t fitting = size - 1 < (size_t)length ? size - 1 : (size_t)length;
		CHECK_EQ(strlen(part), fitting);
		CHECK(memcmp(part, whole, fitting) == 0);
		free(part);
	}
	CHECK_EQ(pc_change_format(&change, NULL, 10), -EINVAL);
	CHECK_EQ(pc_change_format(NULL, whole, 10), -EINVAL);
	CHECK_EQ(pc_change_format(NULL, NULL, 0), -EINVAL);
}

static void check_begins(const struct pc_change *change, const char *expected)
{
	char line[256];
	pc_change_format(change, line, sizeof(line));
	if (strncmp(line, expected, strlen(expected)) != 0)
		fail(__FILE__, __LINE__, "\"%s\" does not begin with \"%s\"", line, expected);
}

PROMISE(real_lines, "the lines of a real process's changes have its pid, its parent, its new name and how it exited")
{
	struct follower f = open_follower(TABLE_OPTIONS(.fields = 0));
	struct puppet puppet = start_puppet();
	char expected[256];
	struct pc_change change = await_change(&f, PC_CHANGE_STARTED, puppet.pid);
	snprintf(expected, sizeof(expected), "started pid=%d parent=%d ", puppet.pid, getpid());
	check_begins(&change, expected);

	order(&puppet, 'n');
	change = await_change(&f, PC_CHANGE_RENAMED, puppet.pid);
	snprintf(expected, sizeof(expected), "renamed pid=%d parent=%d comm=\"puppet 1\" ", puppet.pid,
		 getpid());
	check_begins(&change, expected);

	kill(puppet.pid, SIGKILL);
	CHECK_EQ(end_child(puppet.pid), SIGKILL);
	change = await_change(&f, PC_CHANGE_EXITED, puppet.pid);
	/* A table that lags may know nothing, or only what the leader's EXIT has. */
	snprintf(expected, sizeof(expected), "exited pid=%d parent=%d comm=\"puppet 1\" %s ",
		 puppet.pid, getpid(),
		 !(change.flags & PC_CHANGE_EXIT_CODE)	? "status=unknown" :
		 change.flags & PC_CHANGE_LEADER_CODE	? "leader_killed=9" :
							  "killed=9");
	check_begins(&change, expected);
	close_follower(&f);
}

PROMISE(short_lived_lines, "the line of a process that exits before the table can read it has no name of another")
{
	struct follower f = open_follower(TABLE_OPTIONS(.fields = 0));
	char expected[256];
	for (int life = 0; life < 20; life++) {
		struct puppet puppet = start_puppet();
		order(&puppet, 'x'); /* a program of another name than this one's */
		order(&puppet, 'n');
		dismiss(&puppet, 'q');
		struct pc_change started = await_change(&f, PC_CHANGE_STARTED, puppet.pid);
		CHECK_EQ(started.process.valid & PC_FIELD_COMM, 0);
		snprintf(expected, sizeof(expected), "started pid=%d parent=%d ts=", puppet.pid,
			 getpid());
		check_begins(&started, expected);
		struct pc_change execed = await_change(&f, PC_CHANGE_EXECED, puppet.pid);
		snprintf(expected, sizeof(expected), "execed pid=%d parent=%d ts=", puppet.pid,
			 getpid());
		check_begins(&execed, expected);
	}
	close_follower(&f);
}
