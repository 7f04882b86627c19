#!/bin/bash
# What README, the Makefile and these scripts say about the tests themselves. Prints TAP.
set -u
cd "$(dirname "$0")/.." || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
. tests/tap.sh

# ---- make help ----

make --no-print-directory help >"$work/help"
sed -n 's/^make \([a-z][a-z-]*\) .*/\1/p' "$work/help" | sort >"$work/listed"
# What a rule or another program calls, not a user: each has a reason not to be listed.
cat >"$work/internal" <<'END'
all
bench-needs
connector-only
examples
FORCE
install-strip
programs
stage
uninstall
END
listed() { # each phony target is listed, or internal
	sed -n '/^\.PHONY:/,/[^\\]$/p' Makefile | sed 's/\.PHONY://; s/\\//' | tr -s ' \n' '\n\n' |
		grep . | sort >"$work/targets"
	sort "$work/internal" "$work/listed" | diff - "$work/targets"
}
promise "make help lists each target that a user calls, and no other" listed
shown() { head -n 1 "$work/help" | grep -x 'make  *the C libraries, in build/'; }
promise "make help begins with what make alone does" shown

# ---- The two commands ----

commands() { sed -n '/^## Two commands/,/^## /p' README.md | sed -n 's/^\(make [a-z-]*\) .*/\1/p'; }
two() { [ "$(commands | paste -sd,)" = "make run,make test" ] && grep -x 'make test' .ci/run; }
promise "README has two commands for newcomers, and CI runs the second of them" two
run_once() { # run.sh runs each script of tests/ once, but for those that another script runs
	grep -o 'tests/[a-z-]*\.\(sh\|py\)' tests/run.sh | grep -v 'tests/\(needs\|run\)\.sh' | sort >"$work/run"
	uniq -d "$work/run" | tee "$work/twice"
	printf 'tests/%s\n' consistency.sh distributions.sh fleet-inside.sh free-threaded.sh fuzz.sh kernels.sh layouts.sh machine.sh \
		machines-table.sh mirror.sh needs.sh pcwatch-steps.sh prototypes.sh pytest.sh release.sh run.sh systems.sh systems-inside.sh table.sh tap.py tap.sh \
		under-load.sh | cat - "$work/run" |
		sort >"$work/known"
	printf '%s\n' tests/*.sh tests/*.py | sort | diff "$work/known" - && [ ! -s "$work/twice" ]
}
promise "run.sh runs each test script, and none twice" run_once

# ---- What is installed ----

mkdir "$work/bin"
printf '#!/bin/sh\necho "$@" >>"%s"\n' "$work/installed" >"$work/bin/apt-get"
chmod +x "$work/bin/apt-get"
lacks() { # lacks VALUE-OF-TESTS_INSTALL: what needs.sh says and does if a tool is missing
	rm -f "$work/installed"
	PATH=$work/bin:$PATH TESTS_INSTALL=$1 tests/needs.sh sh dash no-such-tool its-package
}
names() { ! lacks no >"$work/said" 2>&1 && cat "$work/said" && grep -q ' its-package ' "$work/said"; }
promise "a test whose tool is missing names its package" names
nothing() { [ ! -e "$work/installed" ] && grep -q 'export TESTS_INSTALL=no$' tests/run.sh; }
promise "with TESTS_INSTALL=no, as in make test, the tests install nothing" nothing
announces() {
	[ "$(id -u)" = 0 ] || return 0
	lacks yes >"$work/said" 2>&1
	cat "$work/said" "$work/installed"
	grep -x 'Installing with apt-get, for the tests: its-package' "$work/said" &&
		grep -x 'install -y -qq .* its-package' "$work/installed"
}
promise "the tests say what they install" announces
skips() {
	TESTS_INSTALL=no CI='' bash -c '. tests/tap.sh; needs no-such-tool its-package; echo here' 2>/dev/null |
		tee "$work/said" | grep '^1..0 # SKIP ' && ! grep here "$work/said"
}
promise "a script whose tools are missing is skipped" skips
fails() { ! TESTS_INSTALL=no CI=true bash -c '. tests/tap.sh; needs no-such-tool its-package; exit 0'; }
promise "in CI, a script whose tools are missing fails" fails

# ---- The load ----

# Stands for pcwatch. Its name is unlike any other's, and the storm and the loop are shells.
cp "$(command -v sleep)" "$work/listener"
printf '#!/bin/sh\nexec "%s" 1000\n' "$work/listener" >"$work/start"
chmod +x "$work/start"
export LISTENER=$work/start
status() { tests/under-load.sh sh -c 'exit 37'; [ $? = 37 ]; }
promise "under-load.sh ends with the status of its command" status
descendants() { # descendants PID
	local pid
	for pid in $(cat "/proc/$1/task/$1/children" 2>/dev/null); do
		echo "$pid"
		descendants "$pid"
	done
}
# The listener, the storm with one of its programs, the loop, and the command, which is no part of the load.
all_there() {
	descendants "$1" >"$work/processes"
	[ -s "$work/command" ] && [ "$(wc -l <"$work/processes")" -ge 5 ]
}
gone() { ! grep -qs '^State:.[^Z]' "/proc/$1/status"; }
all_gone() {
	while read -r pid; do
		[ "$pid" = "$(cat "$work/command")" ] || gone "$pid" || return 1
	done <"$work/processes"
}
# shellcheck disable=SC2016
ends_with() { # ends_with SIGNAL: if it ends under-load.sh
	rm -f "$work/command"
	tests/under-load.sh sh -c 'echo $$ >"$0"; exec sleep 1000' "$work/command" &
	local script=$!
	within 60 all_there $script
	if [ "$1" = none ]; then kill "$(cat "$work/command")"; else kill -"$1" $script; fi
	wait $script
	within 60 all_gone
	local result=$?
	kill "$(cat "$work/command")" 2>/dev/null
	return $result
}
promise "the load ends with the command" ends_with none
promise "the load ends when under-load.sh is terminated" ends_with TERM
promise "the load ends when under-load.sh is killed" ends_with KILL
# shellcheck disable=SC2016
notices() { # its command goes on after the listener's end
	rm -f "$work/ended"
	printf '#!/bin/sh\n: >"%s"\n' "$work/ended" >"$work/brief"
	chmod +x "$work/brief"
	LISTENER=$work/brief tests/under-load.sh sh -c 'until [ -e "$0" ]; do sleep 0.02; done; sleep 0.5' "$work/ended"
	[ $? = 1 ]
}
promise "under-load.sh notices that a part of the load is missing" notices

conclude
