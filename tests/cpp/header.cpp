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

// A visitor that wants the event, too, gets it.
constexpr pc::overloaded with_event{
    [](const pc::sid_event &, const pc::event &whole) { return whole.kind; },
    [](const auto &) { return 0u; },
};
static_assert(pc::visit(made(PC_EVENT_SID), with_event) == PC_EVENT_SID);
static_assert(pc::visit(made(PC_EVENT_EXEC), with_event) == 0);

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
