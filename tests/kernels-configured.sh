#!/bin/sh
# The kernels of the configured package sources alone.
exec "$(dirname "$0")/kernels.sh" --configured
