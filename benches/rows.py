"""What is compared with what, and what it must reach. Each line is one of docs/benchmarks.md."""

import collections

# The n-th samples of `ours` and `theirs` were taken side by side; their ratio must be in `bound`.
Ratio = collections.namedtuple(
    "Ratio", "what against measurement ours theirs bound kind", defaults=["", "time"]
)
# Medians of some contestants, the first of which must be in `bound`.
Figure = collections.namedtuple("Figure", "what measurement contestants unit bound", defaults=[""])

PEER, MNL = "proc-connector", "libmnl.so"


def drains():
    for measurement, waiting in ("drain-few", "2,048 wait"), ("drain-many", "30,720 wait"):
        for what, against, bound in (
            ("pc_recv", "recvfrom", "<= 1.03"),
            ("pc_recv_many", "recvmmsg", "<= 1.02"),
            ("recvfrom again", "recvfrom", ""),
            ("recvfrom", "recv", ""),
        ):
            yield Ratio(f"`{what}`, {waiting}", f"`{against}`", measurement, what, against, bound)
    for what, against in ("pc_recv", "recvfrom"), ("pc_recv_many", "recvmmsg"):
        yield Ratio(
            *(f"`{what}`, in user space", f"`{against}` loop", "instructions-drain"),
            *(what, against, "", "instructions"),
        )


def rust():
    for ours, theirs, bound in (
        ("our recv_timeout", f"{PEER} recv_timeout", "<= 0.75"),
        ("our recv", f"{PEER} recv", "< 1"),
        ("our recv_event", f"{PEER} recv", "< 1"),
        ("our recv_events", f"{PEER} recv", "< 1"),
        ("our recv", "cnproc", "< 1"),
        ("our recv_events", "cnproc", "< 1"),
    ):
        yield Ratio(f"Rust: {ours}", theirs, "drain-few", ours, theirs, bound)
    yield Ratio("Rust: our recv_event", "`pc_recv`", "drain-few", "our recv_event", "pc_recv", "<= 1.05")


def live():
    for work in 0, 1, 5:
        for ours, bare in ("pc_recv", "recvfrom"), ("pc_recv_many", "recvmmsg"):
            what = f"events/s in a flood, {work} µs of work each: `{ours}`"
            yield Ratio(what, f"`{bare}`", f"live-{work}", ours, bare, ">= 0.97")
    for what, against in ("recvfrom, filter", "recvfrom"), ("pc_recv", "recvfrom, filter"):
        yield Ratio(f"events/s in a flood, 0 µs of work each: `{what}`", f"`{against}`", "live-0", what, against)


def variants():
    for what in "recv", "recvmsg", "recvfrom, counter each 16", "recvfrom, counter each 256":
        yield Ratio(f"tried in a bare loop: {what}", "recvfrom", "variants", what, "recvfrom")
    for what in "no sender", "buffers of 80", "buffers of 512":
        what = f"recvmmsg 64, {what}"
        yield Ratio(f"tried in a bare loop: {what}", "recvmmsg 64", "variants", what, "recvmmsg 64")
    for batch in 8, 16, 32, 256:
        what = f"recvmmsg {batch}"
        yield Ratio(f"tried in a bare loop: {what}", "recvmmsg 64", "variants", what, "recvmmsg 64")


def latencies():
    for load in "idle", "busy":
        for p in "p50", "p99":
            for ours, bound in ("pc_recv", "<= 1.05"), ("poll+recv again", ""):
                what = f"wake-up latency in µs, {p}, {load}: `{ours}`"
                yield Ratio(what, "`poll+recv`", f"{p}-{load}", ours, "poll+recv", bound)


RATIOS = [
    *drains(),
    *rust(),
    *live(),
    Ratio("`pc_parse`", f"{PEER}'s", "parse", "pc_parse", PEER, "<= 0.35"),
    Ratio(
        *("`pc_parse`", f"{PEER}'s", "instructions-parse", "pc_parse", PEER),
        *("<= 0.35", "instructions"),
    ),
    Ratio("CPU ms, for process exec and exit only", PEER, "cpu", "our filter", PEER, "<= 0.005"),
    Ratio("the flood, with that filter", "no listener", "writer", "our filter", "nobody"),
    Ratio("the flood, without a filter", "no listener", "writer", "ours, unfiltered", "nobody"),
    Ratio(f"the flood, with {PEER}", "no listener", "writer", PEER, "nobody"),
    Ratio(
        *("share lost of a flood", "ENOBUFS mode", "lost", "pc_recv", "recvfrom, ENOBUFS mode"),
        *("<= 0.7", "count"),
    ),
    *latencies(),
    *variants(),
    Ratio("stripped, without the process table, bytes", MNL, "size", "without the table", MNL, "< 1", "size"),
    Ratio("10,000 processes: FOUND and SYNCED, ms", "`ps -e`", "scan", "all fields", "ps -e", "<= 0.20"),
    Ratio("10,000 processes, without credentials, ms", "`ps -e`", "scan", "without credentials", "ps -e"),
    Ratio("µs per event of 2,000 pending short processes: table", "`pc_recv`", "follow", "pc_table_next", "pc_recv", "<= 3.0"),
]

PROGRAMS = "tiny-nothing", "tiny-ours", "tiny-libmnl", "tiny-std"
FIGURES = [
    Figure("burst held, default options", "held", ("pc_recv", PEER), "events", ">= 30000"),
    Figure("heap allocations", "allocations", ("after pc_open",), "", "<= 0"),
    Figure("libraries, stripped", "size", ("libproc_connector.so", "without the table", MNL, "libnl-3.so", "ours with std"), "bytes"),
    Figure("heap of a table, per process", "memory", ("all fields",), "bytes"),
    Figure("opens and closes: resident", "rss", PROGRAMS, "KiB"),
    Figure("opens and closes: start to end", "start", PROGRAMS, "µs"),
    Figure("opening", "open", ("pc_open", "socket, bind, send"), "µs"),
    Figure("checking", "check", ("pc_check",), "µs"),
]
