#!/bin/sh
# The header's prototypes, as the compiler sees them, one in a line.
set -eu
cd "$(dirname "$0")/.."
"${CC:-cc}" -E -P "${1:-include/proc_connector.h}" | tr '\n' ' ' |
	grep -oE '[a-z_0-9 ]+[ *]+pc_[a-z_]+\([^()]*\);' | sed 's/  */ /g; s/^ //' | sort
