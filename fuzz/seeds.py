#!/usr/bin/env python3
"""Writes corpus-seeds/: real datagrams of this machine's kernel, put into each target's form.

Run as root, on a quiet machine.
"""
import ctypes
import os
import resource
import signal
import socket
import struct
import tempfile
import time

KINDS = {
    1: "fork", 2: "exec", 0x80000000: "exit", 4: "uid", 0x40: "gid", 0x80: "sid",
    0x100: "ptrace", 0x200: "comm", 0x40000000: "coredump", 0: "ack",
}
ALL = 0xBFE  # PC_MASK_ALL | PC_MASK_UNKNOWN
libc = ctypes.CDLL(None, use_errno=True)


def child():
    """Does what every kind reports."""
    libc.ptrace(0, 0, 0, 0)  # PTRACE_TRACEME
    libc.prctl(15, b"fuzz \"seed\"\\\xff", 0, 0, 0)  # PR_SET_NAME
    os.setsid()
    os.setgid(1)
    os.setuid(1)
    os._exit(3)


def attached(folder):
    """PTRACE_ATTACH is the one that is reported; a core dump needs a limit above 0."""
    pid = os.fork()
    if pid == 0:
        resource.setrlimit(resource.RLIMIT_CORE, (1 << 20, 1 << 20))
        os.chdir(folder)
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGABRT)
    libc.ptrace(16, pid, 0, 0)  # PTRACE_ATTACH
    os.waitpid(pid, 0)
    libc.ptrace(17, pid, 0, 0)  # PTRACE_DETACH
    os.waitpid(pid, 0)


def capture():
    connector = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 11)
    connector.setsockopt(socket.SOL_SOCKET, 33, 1 << 24)  # SO_RCVBUFFORCE
    connector.bind((0, 1))

    def request(operation):
        connector.send(struct.pack("=IHHII4IHHI", 40, 3, 0, 0, 0, 1, 1, 0, 7, 4, 0, operation))

    request(1)
    pid = os.fork()
    if pid == 0:
        child()
    os.waitpid(pid, 0)
    with tempfile.TemporaryDirectory() as folder:
        attached(folder)
    os.spawnlp(os.P_WAIT, "true", "true")
    request(2)
    connector.settimeout(0.5)
    found = {}
    try:
        while len(found) < len(KINDS):
            datagram = connector.recv(256)
            found.setdefault(KINDS.get(struct.unpack_from("=I", datagram, 36)[0]), datagram)
    except TimeoutError:
        pass
    missing = set(KINDS.values()) - set(found)
    assert not missing, missing
    return found


def patched(datagram, offset, form, value):
    return datagram[:offset] + struct.pack(form, value) + datagram[offset + struct.calcsize(form):]


def datagrams():
    found = capture()
    fork, comm = found["fork"], found["comm"]
    grown = patched(patched(fork + bytes(range(44)), 0, "=I", 120), 32, "=H", 84)
    return found | {
        "truncated": fork[:60],
        "short-event": patched(patched(fork[:52], 0, "=I", 52), 32, "=H", 16),
        "grown": grown,
        "unknown": patched(fork, 36, "=I", 0x400),
        "unknown-grown": patched(grown, 36, "=I", 0x400),
        "unterminated": comm[:60] + b"x" * 16,
        "thread": patched(fork, 64, "=I", struct.unpack_from("=I", fork, 60)[0] + 1),
        "other-connector": patched(fork, 16, "=I", 3),
        "noop": struct.pack("=IHHII", 16, 1, 0, 0, 0),
        "error": struct.pack("=IHHIIi", 36, 2, 0, 0, 0, -1) + fork[:16],
        "done": struct.pack("=IHHII", 16, 3, 0, 0, 0),
        "overrun": struct.pack("=IHHII", 16, 4, 0, 0, 0),
        "empty": b"",
    }


def write(target, name, data):
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus-seeds", target)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as file:
        file.write(data)


def event(datagram, kind):
    """As a struct pc_event."""
    return struct.pack("=I", kind) + datagram[40:52] + datagram[24:28] + bytes(4) + (
        datagram[52:76] + bytes(16))


def options(events, flags=0, budget=0, spin_us=0, size=24, more=b""):
    """Sizes above 80 are given with 0x8000 added."""
    return struct.pack("=HIIII", size, events, flags, budget, spin_us) + more


def stream(data):
    return struct.pack("=BB", 0, len(data)) + data


def tables():
    """Scripts for src/table/model/script.rs: a setup, and four bytes for each operation."""
    run, pause, rescan, no, stamped, unstamped = b"\0\3\0\0", b"\x0e\0\0\0", b"\x0f\0\0\0", 0, 6, 7

    def op(code, who=0, a=0, b=0):
        return struct.pack("=BBBB", code, who, a, b)

    fork, execs, exits, reap, thread = op(16), op(24, 1), op(27, 0, 24), op(32), op(36, 1)
    lives = {
        "life": fork + run + execs + run + exits + run + reap,
        "zombie": fork + exits + run + pause + reap + run,
        "reuse": fork + run + exits + reap + fork + run + exits + reap + fork,
        "late-exit": fork + run + op(27, 0, 8, unstamped) + reap + fork + run + op(54) + run,
        "late-fork": op(16, 0, 0, 8 * unstamped) + run + op(54) + run,
        "late-event": op(16) + run + op(49, 1, 0, stamped) + exits + op(54) + run,
        "leader-first": fork + run + thread + op(41, 0, 24, no) + run + op(39, 0, 56) + run,
        "thread-exec": fork + run + thread + op(43) + run + op(44) + run + op(44) + run + exits,
        "failing-exec": fork + run + thread + op(43) + run + op(44) + run + op(46) + run,
        "orphans": fork + op(16, 1) + op(53, 1) + op(16, 2) + run + exits + run + exits + run,
        "details": fork + run + op(50) + op(51, 1) + op(52, 1) + op(49, 1) + run + run,
        "sleep": fork + run + op(58, 0, 2) + fork + run + exits + op(56, 0, 5) + run,
        "loss": fork + op(59, 1, 31) + exits + fork + run + run + pause,
        "deaf": fork + run + op(60) + exits + fork + op(60, 0, 1) + run + pause,
        "rescan": fork + run + rescan + exits + run + fork + run,
        "no-descriptors": fork + run + thread + op(61, 0, 7) + op(41, 0, 24) + run + run + op(40) + run,
        "between": fork + op(128 + 27, 0, 24) + run + op(192 + 32) + op(192 + 16) + run + run,
    }
    for name, script in lives.items():
        write("table", name, b"\0\0\0\2\0" + script)
        write("table", name + "-small-old", b"\5\1\0\0\1" + script)


def changes(any_event):
    """A struct pc_change of each kind, with every flag and every field."""
    for kind, name in enumerate(
        "found started execed renamed credentials session reparented exited vanished "
        "synced unsynced unknown".split(), 1
    ):
        process = bytes(112)
        if name not in ("synced", "unsynced"):
            process = struct.pack("=4Q8I16s2I3Q", 9, 8, 7, 6, 5, 4, 3, 31, 1, 2, 3, 4,
                                  b"a \"name\"\\\xff", 0, 0, 0, 0, 0)
        change = struct.pack("=2I3QiI2Q", kind, 15, 10**18, 12, 10**9, 3 << 8, 0, 0, 0) + process
        write("format", "change-" + name, struct.pack("=H", 100) + any_event + change)


def main():
    seeds = datagrams()
    for name, data in seeds.items():
        write("parse", name, b"\1" + data)
        write("filter", name, struct.pack("=HB", ALL, 0) + data)
        write("filter", name + "-flags", struct.pack("=HB", ALL, 3) + data)
    for kind, name in enumerate(
        "fork exec exit uid gid sid ptrace comm coredump ack unknown".split(), 1
    ):
        write("format", name, struct.pack("=H", 20 * kind) + event(seeds[name], kind))
    full = struct.pack("=I16sI", 8, b"\xff" * 16, 1) + bytes(4) + b"\xff" * 40
    write("format", "longest", struct.pack("=H", 100) + full[:64])
    changes(full[:64])

    everything, one = options(0), options(1 << 3, 3)
    for name, data in {
        "default": everything + everything,
        "one": one + one,
        "subscribed": options(ALL, 1 << 16, 1 << 20) + options(0, 1 << 16),
        "budget": options(0, 0, 0x80000000) + options(0, 0, 1),
        "short": options(0, size=16) + options(0, size=7),
        "long": options(2, size=40, more=bytes(16)) + options(2, size=32, more=bytes(8)),
        "newer": options(2, size=32, more=b"\0\0\0\0\0\0\0\1") + options(2, size=25, more=b"\1"),
        "longest": options(2, size=0x8000 + 4096) + options(2),
        "garbage": options(2, size=0x8000 + 4097) + struct.pack("=H", 0xFFFF),
        "unknown-bits": options(1 << 10, 4) + options(1, 0x80),
        "spin": options(2, spin_us=1) + options(2, spin_us=1),
    }.items():
        for what in (0, 1, 2, 8):
            write("options", f"{name}-{what}", struct.pack("=BH", what, 40 * what) + data)

    everything = struct.pack("=HB", ALL, 0)
    write("stream", "all", everything + b"".join(map(stream, seeds.values())))
    write("stream", "one-by-one", everything + b"".join(
        stream(data) + b"\3\3" for data in seeds.values()))
    write("stream", "waiting", everything + b"\7\x81\2\0\0\0\x81\7\x83" + stream(b"") + b"\x83\x83")
    write("stream", "batches", everything + b"\2\0\x50\0" * 70 + b"\5\x3f\5\3\5\xff\3")
    write("stream", "filters", everything + b"".join(
        struct.pack("=BBH", 2, kind, 0x3250) + struct.pack("=BHB", 6, 2 << kind, kind & 3) + b"\3"
        for kind in range(9)) + b"\x08")
    write("stream", "large", everything + struct.pack("=BH", 1, 300) + patched(
        seeds["grown"] + bytes(180), 0, "=I", 300) + b"\3")
    write("stream", "trailing", everything + struct.pack("=BH", 1, 300) + seeds["exec"] + (
        bytes(224)) + b"\3")

    tables()


main()
