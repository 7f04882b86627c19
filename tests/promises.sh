#!/bin/sh
# The C promises, with the shared library. Prints TAP.
set -eu
cd "$(dirname "$0")/.."
make --no-print-directory build/promises >build/programs.log 2>&1 || { cat build/programs.log; exit 1; }
exec build/promises
