// Everything of proc_connector.hpp that is decided when it is compiled.
#include <proc_connector.hpp>

#include <iterator>
#include <type_traits>

namespace pc = proc_connector;

template <class Handle>
constexpr bool is_an_owner = std::is_nothrow_move_constructible_v<Handle> &&
                             std::is_nothrow_move_assignable_v<Handle> &&
                             !std::is_copy_constructible_v<Handle> &&
                             !std::is_copy_assignable_v<Handle> && sizeof(Handle) == sizeof(void *);
static_assert(is_an_owner<pc::connector> && is_an_owner<pc::table>);
static_assert(!std::is_convertible_v<pc_connector *, pc::connector>);
static_assert(!std::is_copy_constructible_v<pc::result<pc::connector>>);

static_assert(sizeof(pc::options) == sizeof(pc_options) && pc::options().size == sizeof(pc_options));
static_assert(pc::table_options().size == sizeof(pc_table_options));
static_assert(pc::table_options().flags == 0 && pc::table_options().max_watches == 0);
static_assert(pc::detail::timeout(pc::forever) == -1);
static_assert(pc::detail::timeout(std::chrono::milliseconds(-2)) < -1);
static_assert(pc::detail::timeout(std::chrono::hours(1)) == 3600000);
static_assert(pc::detail::timeout(std::chrono::hours::max() / 3600000) == INT_MAX);
#if __cplusplus >= 202002L
static_assert(std::input_iterator<pc::table::iterator>);
static_assert(std::sentinel_for<pc::table::sentinel, pc::table::iterator>);
#endif

constexpr pc::event made(std::uint32_t kind)
{
    pc::event event{};
    event.kind = kind;
    return event;
}

// Each kind reaches its own overload. (Only fork can be active in a constant: no data is read.)
struct numbers {
    constexpr int operator()(const pc::fork_event &) const { return PC_EVENT_FORK; }
    constexpr int operator()(const pc::exec_event &) const { return PC_EVENT_EXEC; }
    constexpr int operator()(const pc::exit_event &) const { return PC_EVENT_EXIT; }
    constexpr int operator()(const pc::uid_event &) const { return PC_EVENT_UID; }
    constexpr int operator()(const pc::gid_event &) const { return PC_EVENT_GID; }
    constexpr int operator()(const pc::sid_event &) const { return PC_EVENT_SID; }
    constexpr int operator()(const pc::ptrace_event &) const { return PC_EVENT_PTRACE; }
    constexpr int operator()(const pc::comm_event &) const { return PC_EVENT_COMM; }
    constexpr int operator()(const pc::coredump_event &) const { return PC_EVENT_COREDUMP; }
    constexpr int operator()(const pc::overrun_event &) const { return PC_EVENT_OVERRUN; }
#ifndef INCOMPLETE
    constexpr int operator()(const pc::unknown_event &) const { return PC_EVENT_UNKNOWN; }
#endif
    constexpr int operator()(const pc::newer_event &event) const
    {
        return static_cast<int>(event.kind);
    }
};

template <std::uint32_t... Kinds>
constexpr bool each_has_its_own(std::integer_sequence<std::uint32_t, Kinds...>)
{
    return ((pc::visit(made(Kinds), numbers{}) == static_cast<int>(Kinds)) && ...);
}
static_assert(each_has_its_own(std::make_integer_sequence<std::uint32_t, 20>()));

constexpr pc::change made_change(std::uint32_t kind, std::uint32_t flags = 0)
{
    pc::change change{};
    change.kind = kind;
    change.flags = flags;
    change.lost = 5;
    change.since_ns = 6;
    change.hidden = 8;
    change.exit_code = 3 << 8;
    change.process.pid = 7;
    return change;
}

// So does each kind of change.
struct change_numbers {
    template <std::uint32_t Kind>
    constexpr int operator()(const pc::change_of<Kind> &change) const
    {
        return change.process.pid == 7 ? int{Kind} : -1;
    }
    constexpr int operator()(const pc::exited_change &) const { return PC_CHANGE_EXITED; }
    constexpr int operator()(const pc::synced_change &) const { return PC_CHANGE_SYNCED; }
#ifndef INCOMPLETE_CHANGE
    constexpr int operator()(const pc::unsynced_change &) const { return PC_CHANGE_UNSYNCED; }
#endif
    constexpr int operator()(const pc::newer_change &change) const
    {
        return static_cast<int>(change.kind);
    }
};

template <std::uint32_t... Kinds>
constexpr bool each_change_has_its_own(std::integer_sequence<std::uint32_t, Kinds...>)
{
    return ((pc::visit(made_change(Kinds), change_numbers{}) == static_cast<int>(Kinds)) && ...);
}
static_assert(each_change_has_its_own(std::make_integer_sequence<std::uint32_t, 20>()));

// The lambdas of an overloaded visitor may take each of these kinds.
template <class Numbers, class Data>
constexpr auto lambda = [](const Data &data) { return Numbers()(data); };
template <class Numbers, class... Data>
constexpr pc::overloaded lambdas{lambda<Numbers, Data>...};
#if !defined(INCOMPLETE) && !defined(INCOMPLETE_CHANGE)
static_assert(pc::visit(made(PC_EVENT_FORK),
                        lambdas<numbers, pc::fork_event, pc::exec_event, pc::exit_event, pc::uid_event,
                                pc::gid_event, pc::sid_event, pc::ptrace_event, pc::comm_event,
                                pc::coredump_event, pc::overrun_event, pc::unknown_event,
                                pc::newer_event>) == PC_EVENT_FORK);
static_assert(pc::visit(made_change(PC_CHANGE_FOUND),
                        lambdas<change_numbers, pc::found_change, pc::started_change, pc::execed_change,
                                pc::renamed_change, pc::credentials_change, pc::session_change,
                                pc::reparented_change, pc::exited_change, pc::vanished_change,
                                pc::synced_change, pc::unsynced_change, pc::newer_change>) ==
              PC_CHANGE_FOUND);
#endif

// The status of an exit is there only if it is known.
constexpr pc::overloaded status_of{
    [](const pc::exited_change &exited) {
        return exited.status.value_or(-1) + (exited.from_leader ? 1 : 0);
    },
    [](const auto &) { return -2; },
};
static_assert(pc::visit(made_change(PC_CHANGE_EXITED), status_of) == -1);
static_assert(pc::visit(made_change(PC_CHANGE_EXITED, PC_CHANGE_EXIT_CODE), status_of) == 3 << 8);
static_assert(pc::visit(made_change(PC_CHANGE_EXITED, PC_CHANGE_EXIT_CODE | PC_CHANGE_LEADER_CODE),
                        status_of) == (3 << 8) + 1);
static_assert(pc::visit(made_change(PC_CHANGE_VANISHED), status_of) == -2);

// A visitor that wants the event, or the change, too, gets it.
constexpr pc::overloaded with_change{
    [](const pc::synced_change &synced, const pc::change &whole) {
        return synced.lost == 5 && synced.since_ns == 6 && synced.hidden == 8 && synced.deaf &&
               whole.kind != 0;
    },
    [](const pc::unsynced_change &unsynced) {
        return unsynced.lost == 5 && unsynced.since_ns == 6;
    },
    [](const auto &) { return false; },
};
static_assert(pc::visit(made_change(PC_CHANGE_SYNCED, PC_CHANGE_DEAF), with_change));
static_assert(!pc::visit(made_change(PC_CHANGE_SYNCED), with_change));
static_assert(pc::visit(made_change(PC_CHANGE_UNSYNCED), with_change));
constexpr pc::overloaded with_event{
    [](const pc::sid_event &, const pc::event &whole) { return whole.kind; },
    [](const auto &) { return 0u; },
};
static_assert(pc::visit(made(PC_EVENT_SID), with_event) == PC_EVENT_SID);
static_assert(pc::visit(made(PC_EVENT_EXEC), with_event) == 0);

// The compiler refuses a lambda that is never called. A lambda whose body is for some kinds only is no such lambda.
constexpr pc::overloaded for_some{
    [](const pc::exited_change &exited) { return exited.process.pid; },
    [](pc::synced_change) { return -1; },
    [](const pc::unsynced_change &) { return -2; },
    [](const pc::newer_change &) { return -3; },
    [](const auto &other) { return other.process.pid + 1; },
#ifdef UNCALLED_EXIT
    [](const pc::exit_event &) { return -4; },
#endif
};
static_assert(pc::visit(made_change(PC_CHANGE_EXITED), for_some) == 7);
static_assert(pc::visit(made_change(PC_CHANGE_SYNCED), for_some) == -1);
static_assert(pc::visit(made_change(PC_CHANGE_STARTED), for_some) == 8);
constexpr pc::overloaded for_others{
    [](const pc::exec_event &, const pc::event &) { return 1; },
    [](const pc::fork_event &) { return 2; },
#ifdef UNCALLED_EXITED
    [](const pc::exited_change &) { return 3; },
#endif
#ifdef UNCALLED_NOT_CONST
    [](pc::exit_event &) { return 4; },
#endif
#ifdef UNCALLED_MUTABLE
    [calls = 0](const pc::exit_event &) mutable { return ++calls; },
#endif
#ifdef UNCALLED_BESIDE_TWO
    [](const auto &, const pc::event &) { return 5; },
#endif
    [](const auto &) { return 6; },
};
static_assert(pc::visit(made(PC_EVENT_EXEC), for_others) == 1);
static_assert(pc::visit(made(PC_EVENT_FORK), for_others) == 2);
static_assert(pc::visit(made(PC_EVENT_EXIT), for_others) == 6);

#ifdef DISCARDED
void ignore(pc::connector &connector, pc::events &events)
{
    connector.recv(events);
}
#endif
#ifdef SHORTER
pc::result<void> receive(pc::connector &connector, pc::events &events)
{
    return connector.recv(events, std::chrono::microseconds(1));
}
#endif
