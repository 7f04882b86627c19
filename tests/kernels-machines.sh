#!/bin/sh
# The promises on a machine with pages of 64K, and on a 32-bit one: two minutes on two processors.
exec "$(dirname "$0")/kernels.sh" --machines ppc64el i386
