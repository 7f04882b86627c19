/* What proc_connector.hpp promises, on the real kernel. */
extern "C" {
#include "../c/support.h"
}

#include <proc_connector.hpp>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <initializer_list>
#include <string>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace pc = proc_connector;
using namespace std::chrono_literals;

static pid_t start_exiting(int code)
{
	const pid_t child = fork();
	if (child == 0)
		_exit(code);
	return child;
}

/* A connector, and what feeds it. */
static int feed_of(pc::connector &connector)
{
	int pair[2];
	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	auto adopted = pc::connector::adopt(pair[0]);
	CHECK(adopted);
	connector = std::move(*adopted);
	return pair[1];
}

static void send_exec(int feed, pid_t pid)
{
	unsigned char datagram[EVENT_SIZE];
	make_exec(datagram, pid);
	CHECK_EQ(write(feed, datagram, sizeof(datagram)), sizeof(datagram));
}

static pc::connector open_or_fail(std::uint32_t events)
{
	pc::options options;
	options.events = events;
	auto connector = pc::connector::open(options);
	CHECK(connector);
	return *std::move(connector);
}

/* Whether this child's EXIT comes, through a room of this size. */
template <std::size_t Size>
static bool hears_of(pc::connector &connector, pid_t child, int code)
{
	pc::room<pc::event, Size> events;
	bool heard = false;
	while (!heard) {
		CHECK(connector.recv(events, std::chrono::milliseconds(PATIENCE_MS)));
		CHECK(!events.empty());
		for (const pc::event &event : events)
			heard |= pc::visit(event, pc::overloaded{
				[&](const pc::exit_event &exit) {
					return exit.pid == child && WEXITSTATUS(exit.exit_code) == code;
				},
				[](const auto &) { return false; },
			});
	}
	return heard;
}

PROMISE(receives, "a child's fork and exit arrive, typed, in a batch and one by one")
{
	auto connector = open_or_fail(PC_MASK_EXIT);
	pid_t child = start_exiting(7);
	CHECK(hears_of<64>(connector, child, 7));
	end_child(child);
	child = start_exiting(8);
	CHECK(hears_of<1>(connector, child, 8));
	end_child(child);
}

PROMISE(room, "a C++ room holds what the last call received, and nothing after a timeout or an error")
{
	pc::connector connector;
	const int feed = feed_of(connector);
	pc::events events;
	CHECK(events.empty());
	for (pid_t pid = 41; pid <= 43; pid++)
		send_exec(feed, pid);
	CHECK(connector.recv(events));
	CHECK_EQ(events.size(), 3);
	CHECK_EQ(events.front().data.exec.tgid, 41);
	CHECK_EQ(events[2].data.exec.tgid, 43);
	CHECK_EQ(std::count_if(events.begin(), events.end(),
			       [](const pc::event &event) { return event.kind == PC_EVENT_EXEC; }), 3);
	CHECK(connector.recv(events, 0ms));
	CHECK(events.empty() && events.begin() == events.end());

	send_exec(feed, 44);
	CHECK(connector.recv(events));
	CHECK_EQ(events.size(), 1);
	close(feed);
	const auto received = connector.recv(events);
	CHECK(!received && received.error() == std::errc::broken_pipe);
	CHECK(events.empty());
}

PROMISE(owns, "a handle moves, and closes what it owned; an empty one answers invalid_argument")
{
	const int before = open_descriptors();
	pc::connector first, second;
	const int feed = feed_of(first), other = feed_of(second);
	const int first_fd = first.fd(), second_fd = second.fd();
	pc::connector &self = first;
	first = std::move(self);
	CHECK_EQ(first.fd(), first_fd);

	second = std::move(first);
	CHECK(!first && second);
	CHECK_EQ(second.fd(), first_fd);
	CHECK_EQ(fcntl(second_fd, F_GETFD), -1);
	CHECK_EQ(write(other, "", 1), -1);
	send_exec(feed, 42);
	pc::one_event event;
	CHECK(second.recv(event));
	CHECK_EQ(event.front().data.exec.tgid, 42);

	CHECK(first.recv(event).error() == std::errc::invalid_argument);
	CHECK(first.interrupt().error() == std::errc::invalid_argument);
	CHECK(first.stats().error() == std::errc::invalid_argument);
	CHECK(first.release().error() == std::errc::invalid_argument);
	CHECK(first.fd() < 0);
	second.close();
	second.close();
	CHECK(!second && fcntl(first_fd, F_GETFD) == -1);
	{
		pc::connector third;
		close(feed_of(third));
	}
	CHECK_EQ(open_descriptors(), before + 2); /* both feeds */
}

PROMISE(errors, "an error has pc_strerror's text, its own category, and compares with std::errc")
{
	const auto adopted = pc::connector::adopt(-1);
	CHECK(!adopted && !adopted.has_value() && !*adopted);
	CHECK(adopted.error() && adopted.error().category() == pc::category());
	CHECK(adopted.error() == std::errc::bad_file_descriptor);
	CHECK(adopted.error() != std::errc::invalid_argument);
	CHECK(adopted.error().message() == pc_strerror(EBADF));
	CHECK(!std::strcmp(adopted.error().category().name(), "proc_connector"));

	pc::options options;
	options.events = 1u << 31;
	CHECK(pc::connector::open(options).error() == std::errc::invalid_argument);
	CHECK(!std::strcmp(options.invalid(), "events") && !pc::options().invalid());
	pc::table_options table_options;
	table_options.family = 1;
	CHECK(!std::strcmp(table_options.invalid(), "family") && !pc::table_options().invalid());

	pc::connector connector;
	close(feed_of(connector));
	const auto fine = connector.set_filter();
	CHECK(fine && !fine.error());
	pc::events events;
	CHECK(connector.recv(events, -2ms).error() == std::errc::invalid_argument);
}

/* This error of recv() or next() is returned by every later call, too. */
template <class Handle, class Room>
static void fails_finally(Handle &handle, Room &&room, std::errc why)
{
	const auto receive = [&] {
		if constexpr (std::is_same_v<Handle, pc::table>)
			return handle.next(room);
		else
			return handle.recv(room);
	};
	for (int i = 0; i < 3; i++) {
		CHECK(receive().error() == why);
		CHECK(room.empty());
	}
}

PROMISE(final_errors, "broken_pipe, no_child_process and invalid_argument are final for a C++ connector and a table")
{
	pc::connector connector;
	const int feed = feed_of(connector);
	auto opened = pc::table::open();
	CHECK(opened);
	pc::table table = *std::move(opened);
	const pid_t child = fork();
	if (child == 0) {
		fails_finally(connector, pc::events(), std::errc::no_child_process);
		fails_finally(connector, pc::one_event(), std::errc::no_child_process);
		fails_finally(table, pc::one_change(), std::errc::no_child_process);
		_exit(0);
	}
	CHECK_EQ(end_child(child), 0);
	close(feed);
	fails_finally(connector, pc::one_event(), std::errc::broken_pipe);
	const pc::table moved = std::move(table);
	fails_finally(table, pc::one_change(), std::errc::invalid_argument);
	connector.close();
	fails_finally(connector, pc::one_event(), std::errc::invalid_argument);
}

PROMISE(interrupts, "an interrupt from another thread ends a C++ wait without limit")
{
	pc::connector connector;
	feed_of(connector);
	std::thread other([&] { CHECK(connector.interrupt()); });
	pc::events events;
	CHECK(connector.recv(events).error() == std::errc::operation_canceled);
	other.join();
}

PROMISE(releases, "events between release and adopt are not missed")
{
	auto connector = open_or_fail(PC_MASK_EXIT);
	const auto fd = connector.release();
	CHECK(fd && !connector);
	const pid_t child = start_exiting(9);
	end_child(child);

	pc::options options;
	options.events = PC_MASK_EXIT;
	options.flags = PC_OPEN_SUBSCRIBED;
	auto successor = pc::connector::adopt(*fd, options);
	CHECK(successor);
	CHECK_EQ(successor->fd(), *fd);
	CHECK(hears_of<64>(*successor, child, 9));
}

PROMISE(pauses, "pausing, filtering and the statistics work through the C++ handle")
{
	pc::connector connector;
	const int feed = feed_of(connector);
	pc::options filter;
	filter.events = PC_MASK_EXIT;
	CHECK(connector.set_filter(filter) && connector.unsubscribe() && connector.subscribe());
	send_exec(feed, 42);
	pc::events events;
	CHECK(connector.recv(events, 0ms) && events.empty());
	CHECK(connector.set_filter());
	send_exec(feed, 43);
	CHECK(connector.recv(events, 0ms));
	CHECK_EQ(events.size(), 1);
	const auto stats = connector.stats();
	CHECK(stats);
	CHECK_EQ(stats->received, 1);
	CHECK_EQ(stats->filtered, 1);
	const auto deaf = connector.check();
	CHECK(deaf && !*deaf);
}

PROMISE(cancelled, "a thread that waits in a C++ call can be cancelled")
{
	pc::connector connector;
	feed_of(connector);
	pthread_t thread;
	void *result = nullptr;
	CHECK_EQ(pthread_create(&thread, nullptr, [](void *argument) -> void * {
		pc::events events;
		static_cast<void>(static_cast<pc::connector *>(argument)->recv(events));
		return nullptr;
	}, &connector), 0);
	usleep(50000);
	CHECK_EQ(pthread_cancel(thread), 0);
	CHECK_EQ(pthread_join(thread, &result), 0);
	CHECK(result == PTHREAD_CANCELED);
}

PROMISE(parses, "a datagram is parsed, and an event written out")
{
	unsigned char datagram[EVENT_SIZE];
	make_exec(datagram, 42);
	pc::one_event event;
	CHECK(pc::parse(datagram, sizeof(datagram), event));
	CHECK_EQ(event.front().data.exec.tgid, 42);
	char line[256];
	pc_event_format(&event.front(), line, sizeof(line));
	CHECK(pc::to_string(event.front()) == line);
	CHECK(pc::parse(datagram, 40, event).error() == std::errc::bad_message);
	CHECK(event.empty());
}

PROMISE(processes, "a process is read from /proc as long as it lives")
{
	rename_self("in C++");
	const auto self = pc::process_read(getpid());
	CHECK(self && *self);
	CHECK_EQ((*self)->parent_pid, getppid());
	CHECK(!std::strcmp((*self)->comm, "in C++"));
	const auto alive = pc::process_alive(getpid());
	CHECK(alive && *alive == pc::life::running);

	const pid_t child = start_exiting(0);
	end_child(child);
	const auto gone = pc::process_read(child);
	CHECK(gone && !*gone);
	const auto ended = pc::process_alive(child);
	CHECK(ended && *ended == pc::life::ended);
	CHECK(pc::process_alive(0).error() == std::errc::invalid_argument);
	CHECK(pc::process_read(-1).error() == std::errc::invalid_argument);
}

PROMISE(texts, "the texts of a process are read, of any length, or have errors of their own")
{
	const auto self = pc::process_read(getpid());
	CHECK(self && *self);
	const auto texts = pc::process_texts(
		**self, { pc::text_kind::command_line, pc::text_kind::directory, pc::text_kind::nspid });
	CHECK(texts);
	for (const pc::text &text : *texts)
		CHECK(text);
	CHECK((*texts)[0]->find('\0') != std::string::npos);
	CHECK_EQ((*texts)[0]->back(), '\0');
	CHECK(!(*texts)[1]->empty() && (*texts)[1]->front() == '/');
	CHECK(*(*texts)[2] == std::to_string(getpid()));
	pc::process other = **self;
	other.start_boottime_ns += 10000000;
	CHECK(pc::process_texts(other, { pc::text_kind::nspid }).error() == std::errc::no_such_process);
	other.start_boottime_ns -= 10000000;
	other.pidfd_inode = 1; // no process has this inode
	CHECK(pc::process_texts(other, { pc::text_kind::nspid }).error() == std::errc::no_such_process);

	const std::string argument = std::string(5000, '0') + "1000";
	const pid_t child = fork();
	if (child == 0) {
		execlp("sleep", "sleep", argument.c_str(), nullptr);
		_exit(127);
	}
	for (;;) {
		const auto read = pc::process_texts(child, 0, { pc::text_kind::command_line });
		CHECK(read);
		if ((*read)[0] && *(*read)[0] == std::string("sleep") + '\0' + argument + '\0')
			break;
		usleep(1000);
	}
	kill(child, SIGKILL);
	end_child(child);
	const auto gone = pc::process_texts(child, 0, { pc::text_kind::command_line });
	CHECK(gone.error() == std::errc::no_such_process);
	for (pid_t pid = 2; pid < 100; pid++) {
		const auto thread = pc::process_read(pid);
		if (!thread || !*thread || !((*thread)->state & PC_PROCESS_KERNEL_THREAD))
			continue;
		const auto none = pc::process_texts(**thread, { pc::text_kind::executable });
		CHECK(none);
		CHECK((*none)[0].error().value() == ENODATA);
		break;
	}
}

PROMISE(wakes, "a thread asks to be woken soon, and gets what C gets")
{
	const auto woken = pc::wake_soon();
	CHECK(woken && static_cast<int>(*woken) == pc_wake_soon(PC_WAKE_SLICE));
	CHECK(*woken == pc::wake::usual || *woken == pc::wake::slice);
	const auto most = pc::wake_soon(pc::wake::realtime);
	CHECK(most && static_cast<int>(*most) == pc_wake_soon(PC_WAKE_REALTIME));
	CHECK(pc::wake_soon(pc::wake::usual).error() == std::errc::invalid_argument);
}

/* The next change of this kind about this process; 0 stands for any. */
static pc::change await_change(pc::table &table, std::uint32_t kind, pid_t pid)
{
	pc::one_change changes;
	for (;;) {
		CHECK(table.next(changes, std::chrono::milliseconds(PATIENCE_MS)));
		CHECK(!changes.empty());
		for (const pc::change &change : changes)
			if (change.kind == kind && (pid == 0 || change.process.pid == pid))
				return change;
	}
}

PROMISE(lists, "a C++ table lists and finds processes, keeps a value, and reports an exit")
{
	auto opened = pc::table::open();
	CHECK(opened);
	pc::table table = *std::move(opened);
	await_change(table, PC_CHANGE_SYNCED, 0);

	std::size_t count = 0;
	bool self = false;
	pid_t last = 0;
	for (const pc::process &process : table) {
		CHECK(process.pid > last);
		last = process.pid;
		self |= last == getpid();
		count++;
	}
	CHECK(self);
	CHECK_EQ(count, table.size());

	int gate[2];
	CHECK_EQ(pipe(gate), 0);
	const pid_t child = fork();
	if (child == 0) {
		char byte;
		_exit(read(gate[0], &byte, 1) == 1 ? 3 : 1);
	}
	CHECK(!table.find(child));
	const auto started = await_change(table, PC_CHANGE_STARTED, child);
	const auto found = table.find(child);
	CHECK(found && found->id == started.process.id && found->parent_pid == getpid());
	CHECK(table.set_user(child, 77));
	CHECK_EQ(table.find(child)->user, 77);
	CHECK_EQ(write(gate[1], "", 1), 1);
	const auto exited = await_change(table, PC_CHANGE_EXITED, child);
	CHECK_EQ(exited.process.user, 77);
	CHECK(pc::visit(exited, pc::overloaded{
		[&](const pc::exited_change &exit) {
			return exit.process.pid == child && exit.status && !exit.from_leader &&
			       WEXITSTATUS(*exit.status) == 3;
		},
		[](const auto &) { return false; },
	}));
	char line[256];
	pc_change_format(&exited, line, sizeof(line));
	CHECK(pc::to_string(exited) == line);
	CHECK(!table.find(child));
	CHECK(table.set_user(child, 78).error() == std::errc::no_such_process);
	end_child(child);

	CHECK(table.stats() && table.check() && table.rescan());
	std::thread other([&] { CHECK(table.interrupt()); });
	pc::one_change change;
	pc::result<void> next;
	while ((next = table.next(change))) {
	}
	CHECK(next.error() == std::errc::operation_canceled);
	CHECK(change.empty());
	other.join();

	pc::table moved = std::move(table);
	CHECK(moved.fd() >= 0 && table.fd() < 0 && table.empty() && !table.find(1));
	CHECK(table.begin() == table.end());
	CHECK(table.next(change).error() == std::errc::invalid_argument);
}

PROMISE(commands, "a C++ table keeps the command of a process to its exit, and says why there is none")
{
	pc::table_options options;
	options.text_bytes = 512;
	auto opened = pc::table::open(options);
	CHECK(opened);
	pc::table table = *std::move(opened);
	await_change(table, PC_CHANGE_SYNCED, 0);
	int gate[2];
	CHECK_EQ(pipe(gate), 0);
	const pid_t child = fork();
	if (child == 0) {
		dup2(gate[0], STDIN_FILENO);
		close(gate[1]);
		execl("/bin/sh", "sh", "-c", "read go; exit 3", "", nullptr);
		_exit(127);
	}
	await_change(table, PC_CHANGE_EXECED, child);
	CHECK_EQ(write(gate[1], "\n", 1), 1);
	CHECK_EQ(end_child(child), 3 << 8);
	const auto exited = await_change(table, PC_CHANGE_EXITED, child);
	const auto command = table.command(exited.process);
	CHECK(command && command->line() && command->executable());
	CHECK(*command->line() == std::string_view("sh\0-c\0read go; exit 3\0\0", 23));
	CHECK(command->executable()->front() == '/');
	CHECK(!command->is_cut() && !command->is_doubtful());
	CHECK(table.command(pc::process{}).error() == std::errc::no_such_process);
	const auto thread = table.find(2);
	if (thread && thread->state & PC_PROCESS_KERNEL_THREAD)
		CHECK(table.command(*thread)->line().error().value() == ENODATA);
	auto without = pc::table::open();
	CHECK(without);
	await_change(*without, PC_CHANGE_SYNCED, 0);
	CHECK(without->command(*without->find(getpid())).error().value() == ENODATA);
}

PROMISE(family, "a C++ table of a family reports its root's descendants, and its size is how many are left")
{
	int gate[2], answers[2];
	CHECK_EQ(pipe(gate), 0);
	CHECK_EQ(pipe(answers), 0);
	pc::table_options options;
	options.family = fork();
	if (options.family == 0) {
		pid_t orphan = -1;
		if (read(gate[0], &orphan, 1) == 1)
			orphan = fork();
		if (orphan == 0) {
			for (;;)
				pause();
		}
		_exit(write(answers[1], &orphan, sizeof(orphan)) == sizeof(orphan) ? 3 : 1);
	}
	auto opened = pc::table::open(options);
	CHECK(opened);
	pc::table table = *std::move(opened);
	await_change(table, PC_CHANGE_SYNCED, 0);
	CHECK_EQ(table.size(), 1);
	CHECK(!table.find(getpid()));
	CHECK_EQ(write(gate[1], "", 1), 1);
	pid_t orphan = -1;
	CHECK_EQ(read(answers[0], &orphan, sizeof(orphan)), sizeof(orphan));
	CHECK_EQ(end_child(options.family), 3 << 8);
	await_change(table, PC_CHANGE_EXITED, options.family);
	CHECK_EQ(table.size(), 1);
	CHECK_EQ(table.begin()->pid, orphan);
	CHECK_EQ(table.begin()->state & PC_PROCESS_PERHAPS, 0);
	CHECK_EQ(kill(orphan, SIGKILL), 0);
	await_change(table, PC_CHANGE_EXITED, orphan);
	CHECK(table.empty());
	CHECK(pc::table::open(options).error() == std::errc::no_such_process);
	options.family = 1;
	CHECK(pc::table::open(options).error() == std::errc::invalid_argument);
}

PROMISE(synced, "a C++ table is synced from a SYNCED to an UNSYNCED, also with max_watches and without the FORKs of threads")
{
	pc::table_options options;
	options.flags = PC_TABLE_IGNORE_THREADS;
	options.max_watches = 1;
	auto opened = pc::table::open(options);
	CHECK(opened);
	pc::table table = *std::move(opened);
	CHECK(!table.is_synced());
	const auto synced = await_change(table, PC_CHANGE_SYNCED, 0);
	CHECK(table.is_synced());
	CHECK_EQ(synced.hidden, 0);
	CHECK_EQ(table.stats()->hidden, 0);

	CHECK(table.rescan());
	const auto unsynced = await_change(table, PC_CHANGE_UNSYNCED, 0);
	CHECK(unsynced.sequence > synced.sequence && !table.is_synced());
	CHECK_EQ(table.find(getpid())->sequence, unsynced.sequence);
	CHECK_EQ(table.begin()->sequence, unsynced.sequence);
	await_change(table, PC_CHANGE_SYNCED, 0);
	CHECK(table.is_synced());
	table.close();
	CHECK(!table.is_synced());

	options.flags = 1u << 31;
	CHECK(pc::table::open(options).error() == std::errc::invalid_argument);
}

/* A child that exits with 3 when a byte comes. */
static pid_t start_waiting(int gate)
{
	const pid_t child = fork();
	if (child == 0) {
		char byte;
		_exit(read(gate, &byte, 1) == 1 ? 3 : 1);
	}
	return child;
}

PROMISE(table_releases, "a C++ table on the socket that another one released misses nothing; a busy one stays open")
{
	auto opened = pc::table::open();
	CHECK(opened);
	pc::table table = *std::move(opened);
	await_change(table, PC_CHANGE_SYNCED, 0);
	int gate[2];
	CHECK_EQ(pipe(gate), 0);
	const pid_t first = start_waiting(gate[0]), second = start_waiting(gate[0]);
	await_change(table, PC_CHANGE_STARTED, first);
	CHECK(table.release().error() == std::errc::device_or_resource_busy && table);
	await_change(table, PC_CHANGE_STARTED, second);
	auto fd = table.release();
	while (!fd && fd.error() == std::errc::device_or_resource_busy) {
		pc::one_change change;
		CHECK(table.next(change, 0ms));
		fd = table.release();
	}
	CHECK(fd && !table);
	CHECK_EQ(write(gate[1], "qq", 2), 2);
	end_child(first);
	end_child(second);
	const pid_t passing = start_exiting(7);
	end_child(passing);

	pc::table_options options;
	options.flags = PC_TABLE_SUBSCRIBED;
	auto successor = pc::table::adopt(*fd, options);
	CHECK(successor);
	bool has_started = false;
	int first_status = -1, second_status = -1, passing_status = -1;
	while (!successor->is_synced()) {
		pc::one_change change;
		CHECK(successor->next(change, std::chrono::milliseconds(PATIENCE_MS)) && !change.empty());
		const auto note = [&](pid_t pid, int &status) {
			if (change.front().process.pid == pid && change.front().kind == PC_CHANGE_EXITED)
				status = WEXITSTATUS(change.front().exit_code);
		};
		note(first, first_status);
		note(second, second_status);
		note(passing, passing_status);
		has_started |= change.front().process.pid == passing &&
			       change.front().kind == PC_CHANGE_STARTED;
	}
	CHECK_EQ(first_status, 3);
	CHECK_EQ(second_status, 3);
	CHECK(has_started);
	CHECK_EQ(passing_status, 7);
	successor->close();
	CHECK_EQ(fcntl(*fd, F_GETFD), -1);

	CHECK(table.release().error() == std::errc::invalid_argument);
	CHECK(pc::table::adopt(*fd, options).error() == std::errc::bad_file_descriptor);
	const int null = open("/dev/null", O_RDONLY);
	CHECK(pc::table::adopt(null, options).error() == std::errc::wrong_protocol_type);
	CHECK_EQ(close(null), 0);
}

static void make_up(const std::string &directory, pid_t pid, pid_t parent, const char *comm)
{
	const std::string folder = directory + "/" + std::to_string(pid), id = std::to_string(pid);
	CHECK_EQ(mkdir(folder.c_str(), 0755), 0);
	std::ofstream stat(folder + "/stat");
	stat << id << " (" << comm << ") S " << parent << " " << id << " " << id
	     << " 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 " << id << " 0 0 0 4096 8192 65536 0 0 0 0 0 0 0 0 0 0 17"
	     << " 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n";
	std::ofstream status(folder + "/status");
	status << "Name:\t" << comm << "\nUid:\t7\t8\t7\t7\nGid:\t9\t10\t9\t9\n";
	CHECK(stat.flush() && status.flush());
}

static void remove_made_up(const std::string &directory, pid_t pid)
{
	const std::string folder = directory + "/" + std::to_string(pid);
	CHECK_EQ(unlink((folder + "/stat").c_str()), 0);
	CHECK_EQ(unlink((folder + "/status").c_str()), 0);
	CHECK_EQ(rmdir(folder.c_str()), 0);
}

/* Their names in linux/cn_proc.h are members of a struct there, or not, depending on its version. */
constexpr std::uint32_t FORK_EVENT = 1, EXIT_EVENT = 0x80000000;

static void send_ids(int feed, std::uint32_t what, std::initializer_list<std::uint32_t> ids)
{
	unsigned char datagram[EVENT_SIZE];
	make_datagram(datagram, what, 1, ids.begin(), ids.size() * sizeof(std::uint32_t));
	CHECK_EQ(write(feed, datagram, sizeof(datagram)), sizeof(datagram));
}

static void follow_made_up(void *)
{
	char name[] = "/tmp/processes-XXXXXX";
	CHECK(mkdtemp(name) != nullptr);
	CHECK_EQ(chown(name, 65534, 65534), 0);
	CHECK_EQ(setresgid(65534, 65534, 65534), 0);
	CHECK_EQ(setresuid(65534, 65534, 65534), 0);
	const std::string directory = name;
	make_up(directory, 1, 0, "first");
	make_up(directory, 100, 1, "shell");
	int pair[2];
	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	pc::table_options options;
	options.flags = PC_TABLE_PROC_FD;
	options.proc_fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto table = pc::table::adopt(pair[0], options);
	CHECK(table);
	CHECK_EQ(close(options.proc_fd), 0);
	await_change(*table, PC_CHANGE_SYNCED, 0);
	CHECK_EQ(table->size(), 2);
	const auto shell = table->find(100);
	CHECK(shell && shell->euid == 8 && !std::strcmp(shell->comm, "shell"));

	make_up(directory, 200, 100, "child");
	send_ids(pair[1], FORK_EVENT, {100, 100, 200, 200});
	const auto started = await_change(*table, PC_CHANGE_STARTED, 200);
	CHECK(started.process.parent_id == shell->id && !std::strcmp(started.process.comm, "child"));
	remove_made_up(directory, 200);
	send_ids(pair[1], EXIT_EVENT, {200, 200, 5 << 8, 17, 100, 100});
	CHECK_EQ(await_change(*table, PC_CHANGE_EXITED, 200).exit_code, 5 << 8);
	CHECK_EQ(table->size(), 2);
	close(pair[1]);
	pc::one_change change;
	pc::result<void> next;
	while ((next = table->next(change)))
		CHECK(!change.empty());
	CHECK(next.error() == std::errc::broken_pipe);
	remove_made_up(directory, 1);
	remove_made_up(directory, 100);
	rmdir(name);
}

PROMISE(table_made_up, "a test without privilege feeds a C++ table with made-up events and made-up processes")
{
	in_child(follow_made_up, nullptr);
}
