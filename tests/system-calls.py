#!/usr/bin/env python3
"""system-calls.py [[--write] MACHINE LOG …]: the system calls that the promises about the sandbox show, with
PROMISES_CALLS=1, are those that the header lists for each function, and docs/system-calls.md names those that are
made instead of others. Without arguments, on this machine. --write adds them to the page. Prints TAP."""
import os, platform, re, subprocess, sys

sys.dont_write_bytecode = True
from tap import conclude, ok, skip

os.chdir(os.path.dirname(os.path.abspath(__file__)) + "/..")
PAGE = "docs/system-calls.md"
# What the header calls malloc and free, whichever the C library.
MEMORY = {"brk", "mmap", "mremap", "mprotect", "munmap", "madvise"}
# "Where the vDSO lacks the clock", "Where madvise(2) does nothing"
EVERYWHERE = {"clock_gettime", "getpid"}


def lists():
    """The words in the header's row of each function, and the call that each of the second list stands for."""
    text = open("include/proc_connector.h").read().split("* SYSTEM CALLS")[1].split("*/")[0]
    rows, stands_for = {}, {}
    for block in text.split("\n *\n"):
        lines = re.findall(r"^ \*  (.{1,22}) ?(.*)$", block, re.M)
        for left, right in [(left.strip(), right) for left, right in lines]:
            if left.startswith("pc_"):
                rows[left] = set(re.findall(r"\w+", " ".join(right for _, right in lines)))
            elif ": on " in right:
                stands_for[right.split(":")[0]] = left
    return rows, stands_for


def calls_of(function):
    found = set(EVERYWHERE)
    for word in rows.get(function, ()):
        found |= calls_of(word) if word in rows else MEMORY if word in ("malloc", "free") else {word}
    return found


def page():
    """The table: the calls of each machine."""
    table = open(PAGE).read().split("<!-- seen -->")[1].split("<!-- end of seen -->")[0]
    return {name: set(re.findall(r"`(\w+)`", calls))
            for name, calls in re.findall(r"^\| ([\w-]+) \| (.*) \|$", table, re.M) if name != "machine"}


def write(seen):
    text = open(PAGE).read()
    table = "| machine | calls instead of others |\n|---|---|\n" + "".join(
        "| %s | %s |\n" % (name, ", ".join("`%s`" % call for call in sorted(seen[name])) or "none")
        for name in sorted(seen))
    before, rest = text.split("<!-- seen -->")
    open(PAGE, "w").write(before + "<!-- seen -->\n" + table + "<!-- end of seen -->" +
                          rest.split("<!-- end of seen -->")[1])


def compare(machine, log):
    made = set(re.findall(r"^# (pc_\w+) calls (number \d+|\w+)", log, re.M))
    if not made:
        skip("the system calls on %s" % machine, "no function was seen calling any")
        return
    other = {(function, call) for function, call in made if call not in calls_of(function)}
    unlisted = {pair for pair in other if stands_for.get(pair[1]) not in calls_of(pair[0])}
    ok(not unlisted, "on %s, each function makes the system calls that the header lists for it" % machine,
       "\n".join("%s calls %s" % pair for pair in sorted(unlisted)))
    instead = {call for _, call in other - unlisted}
    if to_write:
        known[machine] = known.get(machine, set()) | instead
    ok(instead <= known.get(machine, instead), PAGE + " names the calls that libc makes instead of others on " + machine,
       "also seen: %s" % sorted(instead))


arguments = sys.argv[1:]
to_write = arguments[:1] == ["--write"]
arguments = arguments[to_write:]
rows, stands_for = lists()
known = page()
if arguments:
    for machine, path in zip(arguments[::2], arguments[1::2]):
        compare(machine, open(path, errors="replace").read())
else:
    subprocess.run(["make", "--no-print-directory", "build/promises"], check=True, stdout=subprocess.DEVNULL)
    log = subprocess.run(["build/promises"], env=dict(os.environ, PROMISES_CALLS="1", PROMISES="sandbox: "), text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    compare({"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine()), log)
if to_write:
    write(known)
conclude()
