// Prints every program that is started, and every process whose user and effective user differ, until Ctrl-C.
#include <cstdio>
#include <proc_connector.hpp>

namespace pc = proc_connector;

int main()
{
    pc::options options;
    options.events = PC_MASK_EXEC | PC_MASK_UID;
    auto connector = pc::connector::open(options);
    if (!connector) {
        std::fprintf(stderr, "programs: %s\n", connector.error().message().c_str());
        return 1;
    }

    // Without this, a short program is often gone before this program runs.
    const pc::result<pc::wake> woken = pc::wake_soon();
    if (!woken || *woken == pc::wake::usual)
        std::fprintf(stderr, "programs: short programs may be missed\n");

    const pc::overloaded visitor{
        [](const pc::exec_event &exec, const pc::event &event) {
            const auto texts = pc::process_texts(exec.tgid, 0, {pc::text_kind::executable});
            const bool known = texts && (*texts)[0];
            std::printf("%d runs a new program on CPU %u: %s\n", exec.tgid, event.cpu,
                        known ? (*texts)[0]->c_str() : "gone, or hidden");
        },
        [](const pc::uid_event &uid) {
            if (uid.ruid != uid.euid)
                std::printf("%d is user %u as %u\n", uid.tgid, uid.ruid, uid.euid);
        },
        [](const pc::overrun_event &overrun) {
            std::printf("%llu events lost\n", static_cast<unsigned long long>(overrun.lost));
        },
        [](const auto &) {},
    };
    pc::events events;
    pc::result<void> received;
    while ((received = connector->recv(events))) {
        for (const pc::event &event : events)
            pc::visit(event, visitor);
        std::fflush(stdout);
    }
    std::fprintf(stderr, "programs: %s\n", received.error().message().c_str());
    return 1;
}
