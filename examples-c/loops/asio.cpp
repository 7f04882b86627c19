// Follows all processes in an Asio loop (standalone Asio; with Boost, write boost::asio).
//     c++ -std=c++17 asio.cpp -o asio -pthread $(pkg-config --cflags --libs proc_connector)
#include <asio.hpp>
#include <csignal>
#include <cstdio>
#include <proc_connector.hpp>
#include <unistd.h>

namespace pc = proc_connector;
using namespace std::chrono_literals;

static void follow(asio::posix::stream_descriptor &readable, pc::table &table)
{
    readable.async_wait(readable.wait_read, [&](asio::error_code) {
        pc::one_change change;
        if (const auto next = table.next(change, 0ms); !next)
            throw std::system_error(next.error());
        if (!change.empty())
            std::puts(pc::to_string(change.front()).c_str());
        follow(readable, table); // This wait is over at once if the table has more.
    });
}

static void check_each_second(asio::steady_timer &timer, pc::table &table)
{
    timer.expires_after(1s);
    timer.async_wait([&](asio::error_code) {
        if (const auto reports = table.check(); !reports) // Does the kernel still report?
            throw std::system_error(reports.error());
        check_each_second(timer, table);
    });
}

int main() try {
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    asio::io_context loop;
    asio::signal_set stop(loop, SIGINT, SIGTERM);
    stop.async_wait([&](asio::error_code, int) { loop.stop(); });
    auto table = pc::table::open();
    if (!table)
        throw std::system_error(table.error());
    asio::posix::stream_descriptor readable(loop, ::dup(table->fd())); // which it will close
    asio::steady_timer timer(loop);
    follow(readable, *table);
    check_each_second(timer, *table);
    loop.run();
} catch (const std::exception &error) {
    std::fprintf(stderr, "asio: %s\n", error.what());
    return 1;
}
