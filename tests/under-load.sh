#!/bin/sh
# under-load.sh COMMAND …: runs a command beside three programs that a test must not mind: a fork
# storm, a busy loop and a second listener, which also repairs a deaf kernel. Ends with the status of
# the command. LISTENER=… names another listener than build/pcwatch.
#
# Each of the three also ends when this shell is gone, whatever became of it.
set -u
[ $# -gt 0 ] || { echo "usage: tests/under-load.sh COMMAND …" >&2; exit 2; }
listener=${LISTENER:-$(dirname "$0")/../build/pcwatch}
[ -x "$listener" ] || { echo "under-load.sh: there is no $listener: run make build/pcwatch" >&2; exit 2; }

here() { kill -0 $$ 2>/dev/null; }
"$listener" >/dev/null & listening=$!
(
	while here; do /bin/true; done
	kill $listening
) & storming=$!
(
	while here; do :; done
) & busy=$!
trap 'kill $storming $busy $listening 2>/dev/null; wait' EXIT

"$@"
status=$?
kill -0 $storming && kill -0 $busy && kill -0 $listening || {
	echo "under-load.sh: a part of the load ended too early" >&2
	exit 1
}
exit $status
