// Lists the processes of this machine, then shows every change, until Ctrl-C. With a pid, it shows
// only that process and its descendants.
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <proc_connector.hpp>
#include <string>

namespace pc = proc_connector;

namespace {

// A name may have any bytes, including control sequences for the terminal. Replaces those.
std::string name_of(const pc::process &process)
{
    std::string name = process.valid & PC_FIELD_COMM ? process.comm : "?";
    for (char &c : name)
        if (!std::isprint(static_cast<unsigned char>(c)))
            c = '?';
    return name;
}

void show(const pc::table &table, const pc::change &change)
{
    pc::visit(change, pc::overloaded{
        [](const pc::found_change &) {}, // listed below, when all have been found
        [&](const pc::synced_change &) {
            if (!(change.flags & PC_CHANGE_RECOVERED))
                for (const pc::process &each : table)
                    std::printf("%7d %7d %s\n", each.pid, each.parent_pid, name_of(each).c_str());
            std::printf("%zu processes, %s\n", table.size(), pc::to_string(change).c_str());
        },
        [&](const auto &) { std::puts(pc::to_string(change).c_str()); },
    });
    std::fflush(stdout);
}

} // namespace

int main(int argc, char **argv)
{
    pc::table_options options;
    options.family = argc > 1 ? std::atoi(argv[1]) : 0;
    auto table = pc::table::open(options);
    if (!table) {
        std::fprintf(stderr, "table: %s\n", table.error().message().c_str());
        return 1;
    }
    pc::one_change changes;
    pc::result<void> followed;
    while ((followed = table->next(changes)))
        for (const pc::change &change : changes)
            show(*table, change);
    std::fprintf(stderr, "table: %s\n", followed.error().message().c_str());
    return 1;
}
