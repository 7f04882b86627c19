#!/bin/sh
# Every benchmark runs, once and small. What it measures then means nothing; but that nothing is
# allocated after pc_open() is asserted. Prints TAP.
set -eu
cd "$(dirname "$0")/.."
[ "$(id -u)" = 0 ] || { echo '1..0 # SKIP the queues that are compared need CAP_NET_ADMIN'; exit 0; }
echo 1..1
not=
BENCH_QUICK=1 make --no-print-directory bench >build/bench.log 2>&1 || not='not '
[ -z "$not" ] || sed 's/^/# /' build/bench.log >&2
echo "${not}ok 1 - every benchmark runs, and nothing is allocated after pc_open"
[ -z "$not" ]
