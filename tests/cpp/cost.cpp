/*
 * The same work through C and through C++, for callgrind to count the instructions of both:
 * functions of the same name in c:: and cpp::. How often they call the library goes to stderr.
 */
extern "C" {
#include "../c/support.h"
}

#include <proc_connector.hpp>

#include <cstdio>
#include <sys/socket.h>
#include <unistd.h>

namespace pc = proc_connector;

struct sums {
	std::uint64_t execs, exits, lost, others;
};

namespace c {

__attribute__((noinline)) static int batches(pc_connector *connector, sums *sums)
{
	pc_event events[64];
	int count;
	while ((count = pc_recv_many(connector, events, 64, 0)) > 0)
		for (int i = 0; i < count; i++)
			switch (events[i].kind) {
			case PC_EVENT_EXEC:
				sums->execs += static_cast<std::uint64_t>(events[i].data.exec.tgid);
				break;
			case PC_EVENT_EXIT:
				sums->exits += static_cast<std::uint64_t>(events[i].data.exit.tgid);
				break;
			case PC_EVENT_OVERRUN:
				sums->lost += events[i].data.overrun.lost;
				break;
			default:
				sums->others++;
			}
	return count;
}

__attribute__((noinline)) static int singles(pc_connector *connector, sums *sums)
{
	pc_event event;
	int count;
	while ((count = pc_recv(connector, &event, 0)) > 0)
		sums->execs += static_cast<std::uint64_t>(event.data.exec.tgid);
	return count;
}

__attribute__((noinline)) static void walk(pc_table *table, sums *sums)
{
	std::uint64_t cursor = 0;
	pc_process process;
	while (pc_table_each(table, &cursor, &process) == 1)
		sums->others += process.id;
}

} // namespace c

namespace cpp {

__attribute__((noinline)) static int batches(pc::connector &connector, sums *sums)
{
	pc::events events;
	pc::result<void> received;
	while ((received = connector.recv(events, std::chrono::milliseconds(0))) && !events.empty())
		for (const pc::event &event : events)
			pc::visit(event, pc::overloaded{
				[&](const pc::exec_event &exec) {
					sums->execs += static_cast<std::uint64_t>(exec.tgid);
				},
				[&](const pc::exit_event &exit) {
					sums->exits += static_cast<std::uint64_t>(exit.tgid);
				},
				[&](const pc::overrun_event &overrun) { sums->lost += overrun.lost; },
				[&](const auto &) { sums->others++; },
			});
	return received ? 0 : -1;
}

__attribute__((noinline)) static int singles(pc::connector &connector, sums *sums)
{
	pc::one_event event;
	pc::result<void> received;
	while ((received = connector.recv(event, std::chrono::milliseconds(0))) && !event.empty())
		sums->execs += static_cast<std::uint64_t>(event.front().data.exec.tgid);
	return received ? 0 : -1;
}

__attribute__((noinline)) static void walk(pc::table &table, sums *sums)
{
	for (const pc::process &process : table)
		sums->others += process.id;
}

} // namespace cpp

enum { ROUNDS = 64, EVENTS = 100, PROCESSES = 10 };

static void feed(int fd)
{
	unsigned char datagram[EVENT_SIZE];
	for (pid_t i = 0; i < EVENTS; i++) {
		make_exec(datagram, 1 + i);
		CHECK_EQ(write(fd, datagram, sizeof(datagram)), sizeof(datagram));
	}
}

PROMISE(cost, "C and C++ do the same work")
{
	int pair[2];
	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	auto connector = pc::connector::adopt(pair[0]);
	CHECK(connector);
	sums in_c{}, in_cpp{};
	for (int round = 0; round < ROUNDS; round++) {
		feed(pair[1]);
		CHECK_EQ(c::batches(connector->native(), &in_c), 0);
		feed(pair[1]);
		CHECK_EQ(cpp::batches(*connector, &in_cpp), 0);
		feed(pair[1]);
		CHECK_EQ(c::singles(connector->native(), &in_c), 0);
		feed(pair[1]);
		CHECK_EQ(cpp::singles(*connector, &in_cpp), 0);
	}
	CHECK(in_c.execs > 0);
	CHECK_EQ(in_cpp.execs, in_c.execs);

	/* The table is only walked: what changes in the meantime cannot be the same for both. */
	auto table = pc::table::open();
	CHECK(table);
	pc::one_change change;
	while (table->size() < PROCESSES)
		CHECK(table->next(change));
	for (int round = 0; round < ROUNDS; round++) {
		in_c.others = in_cpp.others = 0;
		c::walk(table->native(), &in_c);
		cpp::walk(*table, &in_cpp);
		CHECK(in_c.others > 0);
		CHECK_EQ(in_cpp.others, in_c.others);
	}
	fprintf(stderr, "batches %d\nsingles %d\nwalk %d\n", ROUNDS * (EVENTS / 64 + 2),
		ROUNDS * (EVENTS + 1), ROUNDS * (PROCESSES + 1));
}
