// Lists the processes of this machine, then tells every change of program, until Ctrl-C.
#include <cctype>
#include <cstdio>
#include <proc_connector.hpp>
#include <string>

namespace pc = proc_connector;

namespace {

// A name is any bytes that somebody has chosen: none of them is to command the terminal.
std::string printable(std::string name)
{
    for (char &c : name)
        if (!std::isprint(static_cast<unsigned char>(c)))
            c = '?';
    return name;
}

void tell(const pc::table &table, const pc::change &change)
{
    const pc::process &process = change.process;
    switch (change.kind) {
    case PC_CHANGE_SYNCED:
        if (change.lost == 0 && change.since_ns == 0)
            for (const pc::process &each : table)
                std::printf("%7d %7d %s\n", each.pid, each.parent_pid,
                            printable(each.comm).c_str());
        std::printf("%zu processes\n", table.size());
        break;
    case PC_CHANGE_EXECED:
        std::printf("%7d %7d now runs %s\n", process.pid, process.parent_pid,
                    printable(process.comm).c_str());
        break;
    case PC_CHANGE_EXITED:
    case PC_CHANGE_VANISHED:
        std::printf("%7d %7d %s has ended\n", process.pid, process.parent_pid,
                    printable(process.comm).c_str());
        break;
    default:
        break;
    }
    std::fflush(stdout);
}

} // namespace

int main()
{
    auto table = pc::table::open();
    if (!table) {
        std::fprintf(stderr, "table: %s\n", table.error().message().c_str());
        return 1;
    }
    pc::one_change changes;
    pc::result<void> followed;
    while ((followed = table->next(changes)))
        for (const pc::change &change : changes)
            tell(*table, change);
    std::fprintf(stderr, "table: %s\n", followed.error().message().c_str());
    return 1;
}
