/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * proc_connector for C++17: the C library with owners, ranges and types.
 *
 *     namespace pc = proc_connector;
 *
 *     auto connector = pc::connector::open();
 *     if (!connector)
 *         return complain(connector.error().message());
 *     pc::events events;
 *     while (connector->recv(events))
 *         for (const pc::event &event : events)
 *             pc::visit(event, pc::overloaded{
 *                 [](const pc::exec_event &exec) { printf("%d execs\n", exec.tgid); },
 *                 [](const pc::overrun_event &overrun) { doubt(overrun.lost); },
 *                 [](const auto &) {},
 *             });
 *
 * CONVENTIONS
 *
 * proc_connector.h describes the functions, and the rules for loss, recovery, fork() and containers.
 * Only what C++ adds is described here. Events, processes, changes, statistics and constants are
 * those of C. A function without a comment does what the C function of its name does: for
 * table::rescan(), that is pc_table_rescan().
 *
 * Results    A result<T> is a T or an error. It has these members of std::expected<T, std::error_code>, and no
 *            others: has_value(), operator bool, *, -> and error(). (value() would have to throw.) After a
 *            failure, *result is a value-initialised T. After a success, error() is no error.
 * Errors     An error has category(), with messages that say what to do. Compare it with a value of
 *            std::errc, such as std::errc::broken_pipe.
 * Throwing   The header throws nothing, and works with -fno-exceptions and -fno-rtti. But where it allocates
 *            memory, the standard library may throw std::bad_alloc: in to_string(), process_texts() and message().
 *            recv() and next() are not noexcept, because a thread can be cancelled there. Its cancellation
 *            unwinds the stack as an exception does: see pthread_cancel(3).
 * Handles    connector and table own their C handle and can only be moved: see class owner. A handle is empty
 *            after its default constructor, and after it was moved from, closed, released or disowned. Then
 *            every function that returns a result fails with invalid_argument. C has one error for an empty
 *            handle and for wrong arguments, so the message of this error names arguments and options. To
 *            find out whether a handle is empty, use its operator bool.
 * Receiving  Functions receive into a room, a range over the received items. It is empty if nothing came in
 *            time, or on an error. front(), [] and data() do not check: call empty() or size() first.
 * Threads    One thread at a time may use a handle. But any thread may call fd(), stats(), check() and
 *            interrupt() while no thread closes, releases, disowns, moves or destroys the handle. interrupt() is
 *            async-signal-safe, too. A result or a room is for one thread only.
 * Cost       Two to four instructions per call, none per event (tests/cpp.sh counts them). Only to_string(),
 *            process_texts() and message() allocate.
 */

#ifndef PROC_CONNECTOR_HPP
#define PROC_CONNECTOR_HPP

#include "proc_connector.h"

#include <array>
#include <chrono>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

namespace proc_connector {

// The structs of C.
using event = pc_event;
using process = pc_process;
using change = pc_change;
using statistics = pc_stats;

// The data of each kind of event, for visit().
using fork_event = pc_event_fork;
using exec_event = pc_event_exec;
using exit_event = pc_event_exit;
using uid_event = pc_event_uid;
using gid_event = pc_event_gid;
using sid_event = pc_event_sid;
using ptrace_event = pc_event_ptrace;
using comm_event = pc_event_comm;
using coredump_event = pc_event_coredump;
using overrun_event = pc_event_overrun;
using unknown_event = pc_event_unknown;

// An event of a kind that a later library has added.
struct newer_event {
    std::uint32_t kind;
};

// The data of each kind of change, for visit().
template <std::uint32_t Kind>
struct change_of {
    const pc_process &process; // after the change
};
using found_change = change_of<PC_CHANGE_FOUND>;
using started_change = change_of<PC_CHANGE_STARTED>;
using execed_change = change_of<PC_CHANGE_EXECED>;
using renamed_change = change_of<PC_CHANGE_RENAMED>;
using credentials_change = change_of<PC_CHANGE_CREDENTIALS>;
using session_change = change_of<PC_CHANGE_SESSION>;
using reparented_change = change_of<PC_CHANGE_REPARENTED>;
using vanished_change = change_of<PC_CHANGE_VANISHED>; // the process as it last was

// The data of a process exit, for visit().
//
// How long the process ran: docs/who-ran-what.md has a function for this, which compiles as C++, too. timestamp_ns
// of the change and process.start_boottime_ns have different clocks, so convert before you subtract. A start is
// exact to 10 ms. For shorter times, call table::set_user() with timestamp_ns of the change that reports the start.
//
// What the process ran: open the table with text_bytes, and call table::command().
struct exited_change {
    const pc_process &process; // as it last was
    std::optional<int> status; // a wait(2) status, if it is known
    bool from_leader;          // PC_CHANGE_LEADER_CODE
};

// The data of PC_CHANGE_SYNCED, for visit().
struct synced_change {
    std::uint64_t lost, since_ns;
    std::uint32_t hidden; // how many processes are PC_PROCESS_HIDDEN
    bool deaf;            // PC_CHANGE_DEAF
};

// The data of PC_CHANGE_UNSYNCED, for visit().
struct unsynced_change {
    std::uint64_t lost, since_ns;
};

// A change of a kind that a later library has added.
struct newer_change {
    std::uint32_t kind;
};

// How to open a connector: every field of pc_options, as in PC_OPTIONS_INIT at first.
struct options : pc_options {
    constexpr options() noexcept : pc_options PC_OPTIONS_INIT {}
    // pc_invalid_option(): the name of the first invalid option, or nullptr.
    const char *invalid() const noexcept { return pc_invalid_option(this); }
};

// How to open a table: every field of pc_table_options, as in PC_TABLE_OPTIONS_INIT at first.
struct table_options : pc_table_options {
    constexpr table_options() noexcept : pc_table_options PC_TABLE_OPTIONS_INIT {}
    // pc_table_invalid_option(): the name of the first invalid option, or nullptr.
    const char *invalid() const noexcept { return pc_table_invalid_option(this); }
};

// The timeout of a wait without limit.
inline constexpr std::chrono::milliseconds forever{-1};

// ---- Errors ----

// errno values, with the messages of pc_strerror().
inline const std::error_category &category() noexcept
{
    class errors final : public std::error_category {
        const char *name() const noexcept override { return "proc_connector"; }
        std::string message(int error) const override { return pc_strerror(error); }
        std::error_condition default_error_condition(int error) const noexcept override
        {
            return {error, std::generic_category()};
        }
    };
    static const errors instance;
    return instance;
}

// Makes a result without a value: holds the error that a pc_ function returned.
struct failure {
    int error;
};

// A value of type T, or an error.
template <class T>
class [[nodiscard]] result;

// Success, or an error.
template <>
class [[nodiscard]] result<void> {
public:
    using value_type = void;
    using error_type = std::error_code;

    constexpr result() noexcept = default;
    constexpr result(failure why) noexcept : error_(why.error) {}

    constexpr bool has_value() const noexcept { return error_ >= 0; }
    constexpr explicit operator bool() const noexcept { return has_value(); }
    std::error_code error() const noexcept
    {
        return has_value() ? std::error_code() : std::error_code(-error_, category());
    }

private:
    int error_ = 0;
};

// A value, or an error. * and -> do not check that there is a value: without one, the T is value-initialised.
template <class T>
class [[nodiscard]] result : public result<void> {
public:
    using value_type = T;

    constexpr result(T value) noexcept : value_(std::move(value)) {}
    constexpr result(failure why) noexcept : result<void>(why) {}

    constexpr T &operator*() & noexcept { return value_; }
    constexpr const T &operator*() const & noexcept { return value_; }
    constexpr T &&operator*() && noexcept { return std::move(value_); }
    constexpr T *operator->() noexcept { return &value_; }
    constexpr const T *operator->() const noexcept { return &value_; }

private:
    T value_{};
};

// ---- Receiving ----

// Room for up to Size items, and a range over those that were received.
template <class Item, std::size_t Size>
class room {
public:
    using value_type = Item;
    using size_type = std::size_t;
    using iterator = const Item *;
    using const_iterator = iterator;

    room() noexcept {} // without clearing what will be written
    room(const room &) = delete;
    room &operator=(const room &) = delete;

    iterator begin() const noexcept { return items_.data(); }
    iterator end() const noexcept { return begin() + size(); }
    const Item *data() const noexcept { return begin(); }
    std::size_t size() const noexcept { return empty() ? 0 : static_cast<std::size_t>(result_); }
    bool empty() const noexcept { return result_ <= 0; }
    const Item &front() const noexcept { return items_.front(); }
    const Item &operator[](std::size_t index) const noexcept { return items_[index]; }
    static constexpr std::size_t capacity() noexcept { return Size; }

    // For callers of the C functions: fill(first) writes items, and returns how many or an error.
    template <class Fill>
    result<void> fill_by(Fill &&fill)
    {
        result_ = 0; // if the thread is cancelled meanwhile
        result_ = fill(items_.data());
        return failure{result_};
    }

private:
    std::array<Item, Size> items_;
    int result_ = 0;
};

// For recv(): up to 64 events per call, or one. For next(): one change.
using events = room<event, 64>;
using one_event = room<event, 1>;
using one_change = room<change, 1>;

namespace detail {

// Whole milliseconds for C. A longer time than 24 days becomes 24 days.
constexpr int timeout(std::chrono::milliseconds time) noexcept
{
    const auto count = time.count();
    return count > INT_MAX ? INT_MAX : count < -1 ? -2 : static_cast<int>(count);
}

inline result<void> done(int status) noexcept
{
    return failure{status};
}

inline result<bool> yes_or_no(int status) noexcept
{
    if (status < 0)
        return failure{status};
    return status > 0;
}

} // namespace detail

// ---- Handles ----

// What connector and table have in common: each is the only owner of a C handle. The destructor closes the handle.
template <class Handle, void (*Close)(Handle *)>
class owner {
public:
    // An empty owner.
    owner() noexcept = default;

    // Takes over a handle that a C function has opened. With nullptr, the owner is empty.
    explicit owner(Handle *handle) noexcept : handle_(handle) {}

    // An owner that was moved from is empty. The assignment closes the handle that the owner had before.
    owner(owner &&other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    owner &operator=(owner &&other) noexcept
    {
        owner moved(std::move(other));
        std::swap(handle_, moved.handle_);
        return *this;
    }

    ~owner()
    {
        if (handle_)
            Close(handle_);
    }

    // Closes the handle now, and leaves the owner empty. Does nothing if it is empty already.
    void close() noexcept { Close(std::exchange(handle_, nullptr)); }

    // False: the owner is empty.
    explicit operator bool() const noexcept { return handle_ != nullptr; }

    // The handle, for C functions. It still belongs to the owner. nullptr: the owner is empty.
    Handle *native() const noexcept { return handle_; }

    // Leaves the owner empty. The caller closes the handle that is returned, with pc_close() or pc_table_close().
    [[nodiscard]] Handle *disown() noexcept { return std::exchange(handle_, nullptr); }

private:
    Handle *handle_ = nullptr;
};

// ---- Connector ----

// pc_connector: a subscription, its queue and its statistics. close(), operator bool, native(), disown() and the
// constructor from a pc_connector * are those of class owner.
class connector : public owner<pc_connector, pc_close> {
public:
    using owner::owner;

    // pc_open()
    static result<connector> open(const pc_options &how = options()) noexcept
    {
        pc_connector *handle = nullptr;
        const int status = pc_open(&handle, &how);
        return status < 0 ? result<connector>(failure{status}) : connector(handle);
    }

    // pc_open_fd(): on success the descriptor belongs to the connector.
    static result<connector> adopt(int fd, const pc_options &how = options()) noexcept
    {
        pc_connector *handle = nullptr;
        const int status = pc_open_fd(&handle, fd, &how);
        return status < 0 ? result<connector>(failure{status}) : connector(handle);
    }

    // pc_release(): on success the descriptor belongs to the caller, and the connector is empty.
    result<int> release() noexcept
    {
        const int fd = pc_release(native());
        if (fd < 0)
            return failure{fd};
        static_cast<void>(disown());
        return fd;
    }

    // Waits for the first event, and receives as many pending events as fit. Only an empty room, never a
    // partly filled one, means that no more are pending.
    //
    // How a loop handles the errors, which are values of std::errc:
    // broken_pipe         final: the stream has ended (an adopted AF_UNIX SEQPACKET socket only)
    // no_child_process    final: the handle belongs to the parent process
    // invalid_argument    final: the handle is empty, as after it was moved from, or the timeout is below -1 ms
    // operation_canceled  interrupt() was called
    // interrupted         a signal arrived; no event is lost: call recv() again
    // any other           see pc_recv()
    // After a final error, every later call fails at once. So end the loop.
    template <std::size_t Size>
    result<void> recv(room<event, Size> &into, std::chrono::milliseconds timeout = forever)
    {
        return into.fill_by([&](event *first) {
            if constexpr (Size == 1)
                return pc_recv(native(), first, detail::timeout(timeout));
            else
                return pc_recv_many(native(), first, Size, detail::timeout(timeout));
        });
    }

    // pc_set_filter(); without an argument, every event is received.
    result<void> set_filter(const pc_options &filter = options()) noexcept
    {
        return detail::done(pc_set_filter(native(), &filter));
    }

    result<void> subscribe() noexcept { return detail::done(pc_subscribe(native())); }
    result<void> unsubscribe() noexcept { return detail::done(pc_unsubscribe(native())); }

    // True: the kernel was deaf and is repaired. Call recv(): an overrun is pending.
    result<bool> check() noexcept { return detail::yes_or_no(pc_check(native())); }

    result<void> interrupt() noexcept { return detail::done(pc_interrupt(native())); }

    // pc_get_stats()
    result<statistics> stats() const noexcept
    {
        result<statistics> copy{statistics{}};
        const int status = pc_get_stats(native(), &*copy, sizeof(statistics));
        return status < 0 ? result<statistics>(failure{status}) : copy;
    }

    // The socket, for event loops: receive until the room stays empty. Negative if the handle is empty.
    int fd() const noexcept { return pc_fd(native()); }
};

// ---- Events and changes ----

// A visitor made of lambdas.
template <class... Visitors>
struct overloaded : Visitors... {
    using Visitors::operator()...;
};
template <class... Visitors>
overloaded(Visitors...) -> overloaded<Visitors...>;

namespace detail {

template <class... Data>
struct kinds {};
using event_kinds = kinds<fork_event, exec_event, exit_event, uid_event, gid_event, sid_event, ptrace_event,
                          comm_event, coredump_event, overrun_event, unknown_event, newer_event>;
using change_kinds = kinds<found_change, started_change, execed_change, renamed_change, credentials_change,
                           session_change, reparented_change, exited_change, vanished_change, synced_change,
                           unsynced_change, newer_change>;

// Whether a lambda's parameters have types. Whether a generic lambda takes a kind can only be found out by
// compiling its body, which may be meant for fewer kinds.
template <class Lambda, class = void>
constexpr bool has_types = false;
template <class Lambda>
constexpr bool has_types<Lambda, std::void_t<decltype(&Lambda::operator())>> = true;

template <class Lambda, class Visitor, class Data, class Whole>
constexpr bool reaches = std::is_invocable_v<Lambda &, const Data &, const Whole &> ||
                         (std::is_invocable_v<Lambda &, const Data &> &&
                          !std::is_invocable_v<Visitor &, const Data &, const Whole &>);

// Has a type for each lambda, so that the compiler's message names the lambda.
template <class Lambda, class Visitor, class Whole, class... Data>
constexpr bool check(kinds<Data...>)
{
    if constexpr (has_types<Lambda>) {
        constexpr bool is_called = (reaches<Lambda, Visitor, Data, Whole> || ...);
        static_assert(is_called,
                      "a lambda of this visitor is never called: it must take a kind of event, to visit "
                      "events, or of change, to visit changes, by value or const &; and beside a generic "
                      "lambda with two parameters, it must have two");
    }
    return true;
}

template <class Visitor, class Whole, class Kinds>
constexpr bool each_is_called = true;
template <class... Lambdas, class Whole, class Kinds>
constexpr bool each_is_called<overloaded<Lambdas...>, Whole, Kinds> =
    (check<Lambdas, overloaded<Lambdas...>, Whole>(Kinds()) && ...);
template <class... Lambdas, class Whole, class Kinds>
constexpr bool each_is_called<const overloaded<Lambdas...>, Whole, Kinds> =
    (check<const Lambdas, const overloaded<Lambdas...>, Whole>(Kinds()) && ...);

template <class Visitor, class Data, class Whole>
constexpr decltype(auto) tell(Visitor &visitor, const Data &data, const Whole &whole)
{
    if constexpr (std::is_invocable_v<Visitor &, const Data &, const Whole &>) {
        return visitor(data, whole);
    } else {
        static_assert(std::is_invocable_v<Visitor &, const Data &>,
                      "the visitor must take every kind of event, or of change; "
                      "[](const auto &) {} takes the rest");
        return visitor(data);
    }
}

} // namespace detail

// Calls the visitor with the data of the event's kind: visitor(data, event) if it takes two arguments, otherwise
// visitor(data). The visitor must take every *_event type, including newer_event, and return the same type for
// each.
//
// For each kind, visit() calls a lambda with two parameters, if one of them takes the data. Only otherwise does it
// call one with a single parameter. So beside [](const auto &, const pc::event &), no lambda with a single
// parameter is ever called.
//
// The compiler refuses an overloaded visitor with a lambda that is never called. Examples are [](exec_event &),
// because the data is const, and [](const exited_change &), which takes a kind of change. Generic lambdas, and
// visitors other than overloaded, are not checked.
template <class Visitor>
constexpr decltype(auto) visit(const event &whole, Visitor &&visitor)
{
    static_assert(detail::each_is_called<std::remove_reference_t<Visitor>, event, detail::event_kinds>);
    switch (whole.kind) {
    case PC_EVENT_FORK: return detail::tell(visitor, whole.data.fork, whole);
    case PC_EVENT_EXEC: return detail::tell(visitor, whole.data.exec, whole);
    case PC_EVENT_EXIT: return detail::tell(visitor, whole.data.exit, whole);
    case PC_EVENT_UID: return detail::tell(visitor, whole.data.uid, whole);
    case PC_EVENT_GID: return detail::tell(visitor, whole.data.gid, whole);
    case PC_EVENT_SID: return detail::tell(visitor, whole.data.sid, whole);
    case PC_EVENT_PTRACE: return detail::tell(visitor, whole.data.ptrace, whole);
    case PC_EVENT_COMM: return detail::tell(visitor, whole.data.comm, whole);
    case PC_EVENT_COREDUMP: return detail::tell(visitor, whole.data.coredump, whole);
    case PC_EVENT_OVERRUN: return detail::tell(visitor, whole.data.overrun, whole);
    case PC_EVENT_UNKNOWN: return detail::tell(visitor, whole.data.unknown, whole);
    default: return detail::tell(visitor, newer_event{whole.kind}, whole);
    }
}

// Calls the visitor with the data of the change's kind: visitor(data, change) if it takes two arguments, otherwise
// visitor(data). The visitor must take every *_change type, including newer_change, and return the same type for
// each.
//
// The rules for lambdas are those of visit() for events. A process exit is an exited_change here, so the compiler
// refuses [](const exit_event &). A program that visits both events and changes needs a visitor for each.
template <class Visitor>
constexpr decltype(auto) visit(const change &whole, Visitor &&visitor)
{
    static_assert(detail::each_is_called<std::remove_reference_t<Visitor>, change, detail::change_kinds>);
    const pc_process &of = whole.process;
    switch (whole.kind) {
    case PC_CHANGE_FOUND: return detail::tell(visitor, found_change{of}, whole);
    case PC_CHANGE_STARTED: return detail::tell(visitor, started_change{of}, whole);
    case PC_CHANGE_EXECED: return detail::tell(visitor, execed_change{of}, whole);
    case PC_CHANGE_RENAMED: return detail::tell(visitor, renamed_change{of}, whole);
    case PC_CHANGE_CREDENTIALS: return detail::tell(visitor, credentials_change{of}, whole);
    case PC_CHANGE_SESSION: return detail::tell(visitor, session_change{of}, whole);
    case PC_CHANGE_REPARENTED: return detail::tell(visitor, reparented_change{of}, whole);
    case PC_CHANGE_EXITED: {
        std::optional<int> status;
        if (whole.flags & PC_CHANGE_EXIT_CODE)
            status = whole.exit_code;
        const bool from_leader = whole.flags & PC_CHANGE_LEADER_CODE;
        return detail::tell(visitor, exited_change{of, status, from_leader}, whole);
    }
    case PC_CHANGE_VANISHED: return detail::tell(visitor, vanished_change{of}, whole);
    case PC_CHANGE_SYNCED: {
        const bool deaf = whole.flags & PC_CHANGE_DEAF;
        const synced_change synced{whole.lost, whole.since_ns, whole.hidden, deaf};
        return detail::tell(visitor, synced, whole);
    }
    case PC_CHANGE_UNSYNCED:
        return detail::tell(visitor, unsynced_change{whole.lost, whole.since_ns}, whole);
    default: return detail::tell(visitor, newer_change{whole.kind}, whole);
    }
}

// The line that pc_event_format() writes.
inline std::string to_string(const event &whole)
{
    char line[256]; // no line is longer
    pc_event_format(&whole, line, sizeof(line));
    return line;
}

// The line that pc_change_format() writes.
inline std::string to_string(const change &whole)
{
    char line[256]; // no line is longer
    pc_change_format(&whole, line, sizeof(line));
    return line;
}

// pc_parse(): the room stays empty if the datagram is a control message.
inline result<void> parse(const void *datagram, std::size_t size, one_event &into) noexcept
{
    return into.fill_by([&](event *first) { return pc_parse(datagram, size, first); });
}

// ---- Processes ----

// Whether a process is alive, according to /proc.
enum class life {
    ended,       // or a zombie, or it never was
    running,
    leader_gone, // but other threads live on
};

// pc_process_alive()
inline result<life> process_alive(pid_t tgid) noexcept
{
    const int status = pc_process_alive(tgid);
    return status < 0 ? result<life>(failure{status}) : static_cast<life>(status);
}

// pc_process_read(): nothing if the process exited.
inline result<std::optional<process>> process_read(pid_t pid) noexcept
{
    result<std::optional<process>> read{process{}};
    const int status = pc_process_read(pid, &**read);
    if (status < 0)
        return failure{status};
    if (status == 0)
        read->reset();
    return read;
}

// The texts of a process.
enum class text_kind : std::uint32_t {
    command_line = PC_TEXT_COMMAND_LINE, // each argument with a NUL character behind it
    executable = PC_TEXT_EXECUTABLE,
    directory = PC_TEXT_DIRECTORY,
    cgroup = PC_TEXT_CGROUP,
    nspid = PC_TEXT_NSPID,
};

// A text, or an error about this text only.
class [[nodiscard]] text : public result<std::string> {
public:
    using result::result;
    text() noexcept : result(std::string()) {}
};

namespace detail {
template <std::size_t Count, class Read>
result<std::array<text, Count>> texts(const text_kind (&kinds)[Count], Read read_into)
{
    std::array<std::string, Count> strings;
    std::array<pc_text, Count> read;
    std::size_t longest = 511, room;
    do {
        room = longest;
        for (std::size_t i = 0; i < Count; i++) {
            strings[i].resize(room);
            read[i] = {static_cast<std::uint32_t>(kinds[i]), 0, strings[i].data(), room + 1, 0};
        }
        const int status = read_into(read.data());
        if (status < 0)
            return failure{status};
        for (const pc_text &each : read)
            longest = each.length > longest ? each.length : longest;
    } while (longest > room);
    std::array<text, Count> texts;
    for (std::size_t i = 0; i < Count; i++) {
        strings[i].resize(read[i].length);
        texts[i] = read[i].error < 0 ? text(failure{read[i].error}) : text(std::move(strings[i]));
    }
    return texts;
}
} // namespace detail

// pc_process_texts(), with texts of any length: process_texts(pid, start, {text_kind::executable, …}).
// start_boottime_ns is the start of the process; 0: any process that has the pid.
template <std::size_t Count>
result<std::array<text, Count>> process_texts(pid_t pid, std::uint64_t start_boottime_ns,
                                              const text_kind (&kinds)[Count])
{
    return detail::texts(kinds, [&](pc_text *texts) {
        return pc_process_texts(pid, start_boottime_ns, texts, Count);
    });
}

// pc_process_texts_of(), with texts of any length.
template <std::size_t Count>
result<std::array<text, Count>> process_texts(const process &whose, const text_kind (&kinds)[Count])
{
    return detail::texts(
        kinds, [&](pc_text *texts) { return pc_process_texts_of(&whose, texts, Count); });
}

// The command of a process, as a table keeps it. Each text belongs to the table, or is an error.
class command {
public:
    command() noexcept = default;
    explicit command(const pc_command &kept) noexcept : kept_(kept) {}

    // Each argument, followed by a NUL character.
    result<std::string_view> line() const noexcept
    {
        return text(kept_.command_line, kept_.command_line_length, kept_.command_line_error);
    }

    result<std::string_view> executable() const noexcept
    {
        return text(kept_.executable, kept_.executable_length, kept_.executable_error);
    }

    // The table keeps only the beginning of the command line.
    bool is_cut() const noexcept { return kept_.flags & PC_COMMAND_CUT; }

    // Events were lost after the command was read, so the process may run another program now.
    bool is_doubtful() const noexcept { return kept_.flags & PC_COMMAND_DOUBTFUL; }

private:
    static result<std::string_view> text(const char *begin, std::uint32_t length, int error) noexcept
    {
        if (error < 0)
            return failure{error};
        return std::string_view(begin, length);
    }

    pc_command kept_{};
};

// ---- Waking up in time ----

// How soon a thread runs after it is woken.
enum class wake : std::uint32_t {
    usual = PC_WAKE_USUAL,       // as before
    slice = PC_WAKE_SLICE,       // SCHED_OTHER with a slice of 100 us
    realtime = PC_WAKE_REALTIME, // SCHED_FIFO
};

// pc_wake_soon(): the mode now in force for the calling thread.
inline result<wake> wake_soon(wake most = wake::slice) noexcept
{
    const int status = pc_wake_soon(static_cast<std::uint32_t>(most));
    return status < 0 ? result<wake>(failure{status}) : static_cast<wake>(status);
}

// ---- Table ----

// pc_table: all processes, and the connector that keeps the table up to date. It is a range over the
// processes in the order of pids; next() may be called in between. close(), operator bool, native(), disown() and
// the constructor from a pc_table * are those of class owner.
class table : public owner<pc_table, pc_table_close> {
public:
    using owner::owner;
    using value_type = process;

    struct sentinel {};

    class iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = process;
        using difference_type = std::ptrdiff_t;
        using pointer = const process *;
        using reference = const process &;

        iterator() noexcept {} // without clearing what will be written
        explicit iterator(const pc_table *of) noexcept : table_(of) { ++*this; }

        const process &operator*() const noexcept { return process_; }
        const process *operator->() const noexcept { return &process_; }
        iterator &operator++() noexcept
        {
            there_ = pc_table_each(table_, &cursor_, &process_) == 1;
            return *this;
        }
        void operator++(int) noexcept { ++*this; }

        friend bool operator==(const iterator &at, sentinel) noexcept { return !at.there_; }
        friend bool operator!=(const iterator &at, sentinel) noexcept { return at.there_; }
#if __cplusplus < 202002L
        friend bool operator==(sentinel, const iterator &at) noexcept { return !at.there_; }
        friend bool operator!=(sentinel, const iterator &at) noexcept { return at.there_; }
#endif

    private:
        const pc_table *table_ = nullptr;
        std::uint64_t cursor_ = 0;
        bool there_ = false;
        process process_;
    };

    // pc_table_open()
    static result<table> open(const pc_table_options &how = table_options()) noexcept
    {
        pc_table *handle = nullptr;
        const int status = pc_table_open(&handle, &how);
        return status < 0 ? result<table>(failure{status}) : table(handle);
    }

    // pc_table_open_fd(): on success the descriptor belongs to the table, otherwise to the caller. With
    // PC_TABLE_PROC_FD, how.proc_fd always belongs to the caller, who may close it afterwards.
    static result<table> adopt(int fd, const pc_table_options &how = table_options()) noexcept
    {
        pc_table *handle = nullptr;
        const int status = pc_table_open_fd(&handle, fd, &how);
        return status < 0 ? result<table>(failure{status}) : table(handle);
    }

    // pc_table_release(): on success the descriptor belongs to the caller, and the table is empty. The error
    // device_or_resource_busy means that the table has something to report: call next() until the room stays
    // empty, then release() again. After broken_pipe, close the table instead.
    result<int> release() noexcept
    {
        const int fd = pc_table_release(native());
        if (fd < 0)
            return failure{fd};
        static_cast<void>(disown());
        return fd;
    }

    // pc_table_next(): the room stays empty if no change came in time, or if work is left.
    //
    // How a loop handles the errors, which are values of std::errc:
    // broken_pipe         final: the stream has ended (an adopted AF_UNIX SEQPACKET socket only)
    // no_child_process    final: the handle belongs to the parent process
    // invalid_argument    final: the handle is empty, as after it was moved from, or the timeout is below -1 ms
    // operation_canceled  interrupt() was called
    // any other           no change is lost: call next() again
    // After a final error, every later call fails at once. So end the loop. After another error that
    // is likely to last, the table rests for up to 100 ms, so that the loop does not spin.
    result<void> next(one_change &into, std::chrono::milliseconds timeout = forever)
    {
        return into.fill_by([&](change *first) {
            return pc_table_next(native(), first, detail::timeout(timeout));
        });
    }

    // pc_table_get()
    std::optional<process> find(pid_t pid) const noexcept
    {
        std::optional<process> found{process{}};
        if (pc_table_get(native(), pid, &*found) != 1)
            found.reset();
        return found;
    }

    // pc_table_command(): the command of a process that the table has reported. The texts belong to the
    // table, and are valid until the next call of next() or close().
    //
    //     if (const auto command = table.command(change.process); command && command->executable())
    //         std::cout << *command->executable() << '\n';
    result<proc_connector::command> command(const process &whose) const noexcept
    {
        pc_command kept;
        const int status = pc_table_command(native(), &whose, &kept);
        if (status < 0)
            return failure{status};
        return proc_connector::command(kept);
    }

    // pc_table_each()
    iterator begin() const noexcept { return iterator(native()); }
    sentinel end() const noexcept { return {}; }

    // pc_table_count()
    std::size_t size() const noexcept { return pc_table_count(native()); }
    bool empty() const noexcept { return size() == 0; }

    // pc_table_is_synced(); false if the handle is empty. To list all processes once, call next() until
    // this is true.
    bool is_synced() const noexcept { return pc_table_is_synced(native()) == 1; }

    result<void> set_user(pid_t pid, std::uint64_t user) noexcept
    {
        return detail::done(pc_table_set_user(native(), pid, user));
    }

    // True: the kernel was deaf and is repaired; next() recovers the table.
    result<bool> check() noexcept { return detail::yes_or_no(pc_table_check(native())); }

    result<void> rescan() noexcept { return detail::done(pc_table_rescan(native())); }

    result<void> interrupt() noexcept { return detail::done(pc_table_interrupt(native())); }

    // pc_table_get_stats()
    result<statistics> stats() const noexcept
    {
        result<statistics> copy{statistics{}};
        const int status = pc_table_get_stats(native(), &*copy, sizeof(statistics));
        return status < 0 ? result<statistics>(failure{status}) : copy;
    }

    // For event loops: call next() when the descriptor is readable. Negative if the handle is empty.
    int fd() const noexcept { return pc_table_fd(native()); }
};

} // namespace proc_connector

#endif // PROC_CONNECTOR_HPP
