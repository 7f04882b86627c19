// Process events in an Asio loop (standalone; with Boost, write boost::asio).
#include "processes.h"

#include <asio.hpp>
#include <csignal>
#include <cstdlib>
#include <unistd.h>

namespace {

class Events {
public:
    // A stream_descriptor closes what it is given, so it gets a dup(): pc_close() closes the socket.
    Events(asio::io_context& loop, pc_connector* connector)
        : loop(loop), connector(connector), socket(loop, ::dup(pc_fd(connector))), timer(loop)
    {
        wait_for_events();
        wait_for_second();
    }

    bool failed() const { return result < 0; }

private:
    void wait_for_events()
    {
        socket.async_wait(asio::posix::stream_descriptor::wait_read, [this](asio::error_code error) {
            if (!error && take(processes_drain(connector)))
                wait_for_events();
        });
    }

    void wait_for_second()
    {
        timer.expires_after(std::chrono::seconds(1));
        timer.async_wait([this](asio::error_code error) {
            if (!error && take(processes_check(connector)))
                wait_for_second();
        });
    }

    bool take(int drained)
    {
        result = drained;
        if (failed())
            loop.stop();
        return !failed();
    }

    asio::io_context& loop;
    pc_connector* connector;
    asio::posix::stream_descriptor socket;
    asio::steady_timer timer;
    int result = 0;
};

} // namespace

int main()
{
    asio::io_context loop;
    asio::signal_set stop(loop, SIGTERM, SIGINT);
    stop.async_wait([&loop](asio::error_code, int) { loop.stop(); });

    pc_connector* connector;
    if (processes_open(&connector) < 0)
        return EXIT_FAILURE;
    bool failed;
    {
        Events events(loop, connector);
        loop.run();
        failed = events.failed();
    }
    pc_close(connector);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
