"""What the tests in Python print: TAP, as tests/tap.sh does it."""
import sys, time

number = failed = 0


def ok(good, sentence, why=""):
    global number, failed
    number += 1
    failed |= not good
    print("%s %d - %s" % ("ok" if good else "not ok", number, sentence))
    if not good:
        print("".join("# %s\n" % line for line in str(why).splitlines()[-12:]), end="")
    sys.stdout.flush()


def skip(sentence, why):
    global number
    number += 1
    print("ok %d - %s # SKIP %s" % (number, sentence, why))


def within(seconds, condition):
    """The seconds are those of a machine that has nothing else to do."""
    end = time.monotonic() + 12 * seconds
    while not condition():
        if time.monotonic() > end:
            print("# waited in vain: line %d" % sys._getframe(1).f_lineno)
            return False
        time.sleep(0.02)
    return True


def conclude():
    print("1..%d" % number)
    sys.exit(failed)
