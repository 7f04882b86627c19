#!/bin/sh
# target.sh TRIPLE: whether make can build for this machine, which Rust calls TRIPLE. Prints one line:
#
#   native         this machine itself, built as if no machine had been named
#   cross CC       another one, and its C compiler
#   error: REASON
#
# CC, if it is not empty, is the user's own choice. Otherwise the compiler is the one that Debian calls by the GNU
# triple, such as s390x-linux-gnu-gcc. That triple follows from Rust's: it has no vendor, and names a family of
# processors rather than one.
set -u
target=$1
rustc=${RUSTC:-rustc}

error() { echo "error: $*"; exit; }
gnu() { # gnu TRIPLE
	echo "$1" | sed 's/^\(arm\|thumb\)[^-]*/arm/; s/^\(riscv[0-9]*\)[^-]*/\1/; s/^i[3-6]86/i686/; s/^ppc/powerpc/
		s/^\([^-]*\)-[^-]*-linux/\1-linux/'
}

# shellcheck disable=SC2086
[ "$($rustc -vV 2>/dev/null | sed -n 's/^host: //p')" != "$target" ] || { echo native; exit; }
# shellcheck disable=SC2086
rust=$($rustc --print cfg --target "$target" 2>/dev/null) || error "rustc knows no machine $target (rustc --print target-list)"
case $rust in
*'target_os="linux"'*) ;;
*) error "$target is no Linux machine" ;;
esac
# Cargo can build Rust's own library instead: CARGO='cargo -Zbuild-std=core'
# shellcheck disable=SC2086
case ${CARGO:-}${CARGO_UNSTABLE_BUILD_STD:-} in
*build-std* | *core*) ;;
*) [ -n "$(find "$($rustc --print target-libdir --target "$target")/" -name 'libcore-*.rlib' 2>/dev/null)" ] ||
	error "rustc has no library for $target: rustup target add $target, or Debian's libstd-rust-dev of its architecture" ;;
esac

machine=$(gnu "$target")
cc=${CC:-}
if [ -z "$cc" ]; then
	cc=$machine-gcc
	case $machine in "$(uname -m)"-linux-musl) command -v "$cc" >/dev/null || cc=musl-gcc ;; esac
fi
command -v "${cc%% *}" >/dev/null || error "no C compiler for $target, ${cc%% *}: install it (Debian: gcc-${machine%%-*}-${machine#*-}), or name another one in CC"
# gcc -m32 names the machine without that option.
# shellcheck disable=SC2086
made=$($cc -dumpmachine) bytes=$(echo __SIZEOF_POINTER__ | $cc -E -P -x c - | tail -n 1)
width=$(echo "$rust" | sed -n 's/^target_pointer_width="\(.*\)"/\1/p')
family() { gnu "$1" | sed 's/-.*//; s/i686/x86_64/'; }
[ "$(family "$made") $((${bytes:-0} * 8))" = "$(family "$target") $width" ] ||
	error "the C compiler, $cc, is not one for $target: it compiles for $made. Name another one in CC"
echo "cross $cc"
