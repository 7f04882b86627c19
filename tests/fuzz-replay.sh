#!/bin/sh
# The seeds of the fuzzers, and a short run of each.
FUZZ_SECONDS=${FUZZ_SECONDS:-5} exec "$(dirname "$0")/fuzz.sh" --replay
