#!/usr/bin/env python3
"""What docs/jobs.md and docs/handover.md say about jobs and their numbers: their own functions, run. Prints TAP."""
import atexit, glob, os, re, shlex, shutil, signal, subprocess, sys, tempfile

sys.dont_write_bytecode = True
from tap import conclude, ok, within

os.chdir(os.path.dirname(os.path.abspath(__file__)) + "/..")
work = tempfile.mkdtemp()
atexit.register(shutil.rmtree, work)


def block(page, function):
    """The C code of a page that defines this function."""
    with open("docs/" + page) as file:
        return [code for code in re.findall("^```c\n(.*?)^```$", file.read(), re.M | re.S)
                if re.search(r"^[^\s/].*\b%s\([^;]*$" % function, code, re.M)][0]


with open(work + "/pages.h", "w") as pages:
    pages.writelines("#include <%s.h>\n" % name
                     for name in ("errno", "fcntl", "proc_connector", "stdio", "stdlib", "unistd"))
    for page, function in (("jobs.md", "pass_job_on"), ("handover.md", "begin"), ("handover.md", "restore_number")):
        pages.write(block(page, function))


def build(name, *sources):
    command = [*shlex.split(os.environ.get("CC", "cc")), "-std=c11", "-O1", "-g", "-Wall", "-Wextra", "-Werror",
               "-Wno-unused-result", "-D_GNU_SOURCE", "-I" + work, "-Ibuild/stage/include", "-Iexamples-c/testing",
               "tests/jobs/%s.c" % name, *sources, "-o", "%s/%s" % (work, name), "-Lbuild/stage/lib",
               "-lproc_connector", "-Wl,-rpath," + os.path.abspath("build/stage/lib")]
    result = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    ok(result.returncode == 0, "the functions of the pages compile into the program %s" % name, result.stdout)
    return result.returncode == 0 or conclude()


# ---- Made-up events: losses and orders ----

build("made-up", "examples-c/testing/feed.c")
os.mkdir(work + "/proc")
result = subprocess.run([work + "/made-up", work + "/proc"], text=True, capture_output=True, timeout=120)
for good, sentence in re.findall(r"^(not )?ok \d+ - (.*)$", result.stdout, re.M):
    ok(not good, sentence)
ok(re.search(r"^1\.\.\d+$", result.stdout, re.M), "the program made-up runs to its end", result.stdout + result.stderr)

# ---- Real processes: jobs that a restart interrupts ----

build("supervisor")


def gate(name):
    """A pipe with a name, from which a process reads a line before it goes on."""
    os.mkfifo(work + "/" + name)
    return shlex.quote(work + "/" + name)


def await_reader(name):
    """Waits until the process reads from the pipe. The process goes on when a line is written to the result."""
    def look():
        try:
            pipes.append(os.fdopen(os.open(work + "/" + name, os.O_WRONLY | os.O_NONBLOCK), "w"))
        except OSError:
            return False
        return True
    pipes = []
    if not within(10, look):
        ok(False, "a process reads from the pipe " + name, log())
        conclude()
    return pipes[0]


def let_go(name):
    with await_reader(name) as pipe:
        pipe.write("\n")


def is_gone(name):
    """No process has this pipe in its command line."""
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as file:
                if os.fsencode(work + "/" + name) in file.read():
                    return False
        except OSError:
            pass  # it has just exited
    return True


def shows(line):
    """The program has written this line, and no later one begins with the same two words."""
    def look():
        words = line.split()[:2]
        with open(work + "/log") as log:
            lines = [shown for shown in log.read().splitlines() if shown.split()[:2] == words]
        return lines and lines[-1] == line
    return within(10, look)


def log():
    with open(work + "/log") as file:
        return file.read()


with open(work + "/log", "w") as file:
    supervisor = subprocess.Popen([work + "/supervisor", "read line <%s" % gate("one")], stdin=subprocess.PIPE,
                                  stdout=file, stderr=file, text=True, bufsize=1, start_new_session=True)
atexit.register(lambda: supervisor.poll() is None and os.killpg(supervisor.pid, signal.SIGKILL))
ok(shows("living 1 1"), "the gate of a root that was forked before the first SYNCED opens", log())
# The roots of jobs 2 and 3 exit, and leave a daemon each. That of job 2 then forks a child.
supervisor.stdin.write("(sh -c 'read line <%s; (read line <%s) & read line <%s' &); exit 0\n" %
                       (gate("fork"), gate("child"), gate("daemon")))
supervisor.stdin.write("(sh -c 'read line <%s' &); exit 0\n" % gate("brief"))
fork, brief = await_reader("fork"), await_reader("brief")
ok(shows("living 2 1") and shows("living 3 1"), "a job whose root has exited counts its daemon", log())
supervisor.stdin.write("restart\n")
ok(within(10, lambda: b"MY_SOCKET" in open("/proc/%d/environ" % supervisor.pid, "rb").read()),
   "the program restarts", log())
for pipe in (fork, brief):
    pipe.write("\n")
    pipe.close()
child = await_reader("child")
ok(within(10, lambda: is_gone("brief")), "a process exits during the restart")
supervisor.stdin.write("go\n")
ok(shows("gone 3"), "a job whose last process exited during the restart is reported as gone afterwards", log())
ok(shows("living 2 2"), "after the restart, a process that a daemon forked meanwhile has the daemon's number", log())
let_go("daemon")
ok(shows("living 2 1") and "gone 2" not in log(), "after the restart, a job lives as long as its last process", log())
child.write("\n")
child.close()
ok(shows("gone 2"), "after the restart, a job is gone when its last process exits", log())
let_go("one")
ok(shows("gone 1"), "after the restart, a job is gone when its root exits", log())
supervisor.stdin.close()
ok(within(10, lambda: supervisor.poll() == 0) and "vanished" not in log(),
   "no EXIT was lost, and the program ends without an error", log())
conclude()
