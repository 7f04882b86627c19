#!/bin/sh
# The build and the installation where something is unusual: cargo's settings, the folder's name, the
# linker, the system's commands. Prints TAP.
set -u
cd "$(dirname "$0")/.." || exit 1
uutils=/usr/lib/cargo/bin/coreutils
tests/needs.sh busybox busybox toybox toybox $uutils/cp rust-coreutils ld.gold binutils ld.lld lld ld.mold mold clang clang \
	powerpc64le-linux-gnu-gcc gcc-powerpc64le-linux-gnu >&2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
shared=build/libproc_connector.so.$version
host=$(cargo -vV | sed -n 's/^host: //p')
. tests/tap.sh
absent() { # absent COMMAND SENTENCE: then the promise cannot be tested
	command -v "$1" >/dev/null && return 1
	if [ "${CI:-}" = true ]; then ok 1 "$2 ($1 is not installed)"; else skip "$2" "$1 is not installed"; fi
}

# The name has every character that cargo can build with. The configuration would lead make astray.
tree="$work/josé , ; # ( ) & * \" ' [ | \$ ~ ? \\ ! = @ {} \`"
mkdir -p "$tree/.cargo"
cp -a Cargo.toml Cargo.lock Makefile include src man tests tools examples-c "$tree"
cat >"$tree/.cargo/config.toml" <<END
[build]
target = "wasm32-unknown-unknown"
target-dir = "$work/elsewhere"

[profile.release]
overflow-checks = true
END
configured() { # configured COMMAND …: in the tree, with an environment that would lead make astray
	(cd "$tree" && CARGO_BUILD_TARGET=$host CARGO_TARGET_DIR=$work/elsewhere CARGO_PROFILE_RELEASE_LTO=off \
		CARGO_PROFILE_RELEASE_PANIC=unwind CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS=true "$@")
}
unusual() {
	configured make build/pcwatch build/examples-c/daemon/pcpolicyd && configured build/pcwatch --version &&
		configured ldd build/examples-c/daemon/pcpolicyd | grep 'libproc_connector.so.0 => /.*/stage/lib/'
}
promise "make builds in a folder with spaces, punctuation and accents in its name, and the programs run" unusual
small() { # small LIMIT: no compiler needs more, and other settings do
	[ ! -e "$work/elsewhere" ] && strip -o "$work/stripped" "$tree/$shared" &&
		[ "$(wc -c <"$work/stripped")" -lt "$1" ]
}
promise "make builds its own library in build/ whatever cargo's settings are" small 69632
refuses() { # refuses FOLDER TARGET WORDS: make fails there, and says why
	! (cd "$1" && CARGO_BUILD_TARGET=$2 make) >"$work/refusal" 2>&1
	refused=$?
	cat "$work/refusal"
	[ $refused = 0 ] && grep -q "$3" "$work/refusal"
}
no_machine() { refuses "$tree" wasm32-unknown-unknown 'wasm32-unknown-unknown is no Linux machine'; }
promise "make refuses a CARGO_BUILD_TARGET that does not run Linux" no_machine
other=sparc64-unknown-linux-gnu
without() { # without WORDS VARIABLE=VALUE …: it builds nothing for the other machine, and says why
	wanted=$1
	shift
	! (cd "$tree" && make TARGET=$other "$@") >"$work/refusal" 2>&1 && cat "$work/refusal" &&
		[ "$(grep -c . "$work/refusal")" = 1 ] && grep -q "$wanted" "$work/refusal" && [ ! -e "$tree/build/$other" ]
}
promise "make says in one line that rustc has no library for a machine" \
	without "rustc has no library for $other: rustup target add $other"
promise "make says in one line that there is no C compiler for a machine" \
	without 'no C compiler for sparc64.*, no-such-gcc: install it (Debian: gcc-sparc64-linux-gnu)' \
	CARGO='cargo -Zbuild-std=core' CC=no-such-gcc
promise "make says in one line that the C compiler is another machine's" \
	without "the C compiler, cc, is not one for $other" CARGO='cargo -Zbuild-std=core' CC=cc
promise "make says in one line that it cannot run what it builds for another machine" \
	without 'make soak runs what it builds, which is for i686' TARGET=i686-unknown-linux-gnu CC='cc -m32' \
	CARGO='cargo -Zbuild-std=core' soak
unlinkable() {
	! (cd "$tree" && make BUILD=build/unlinkable LDFLAGS=-fuse-ld=none) >"$work/refusal" 2>&1 &&
		cat "$work/refusal" && grep -q '^The compiler cannot link a library.*-fuse-ld=none$' "$work/refusal" &&
		[ -z "$(ls "$tree/build/unlinkable/cargo")" ]
}
promise "make names a linker that does not work before it builds anything" unlinkable
new_code() {
	sed -i 's/needs CONFIG_PROC_EVENTS=y/needs a change of the text/' "$tree/src/errno.rs" &&
		configured make && grep -q 'needs a change of the text' "$tree/$shared"
}
promise "make builds what has changed whatever cargo's settings are" new_code

unusable() { # unusable NAME WORDS
	mkdir "$work/$1"
	cp -a Makefile Cargo.toml src "$work/$1"
	promise "make says that cargo cannot build in a folder with $2 in its name" \
		refuses "$work/$1" "$host" 'cargo cannot build in a folder whose path has a colon'
}
unusable a:b "a colon"
unusable a%b "a percent sign"
unusable "$(printf 'jos\351')" "characters that are not UTF-8"

links() { # links VARIABLE=VALUE …: both libraries, from what cargo made
	rm -f "$tree"/build/libproc_connector.* "$tree/build/proc_connector.o"
	(cd "$tree" && env "$@" make all CARGO=false) && small 69632
}
printf '#include <proc_connector.h>\nint main(void) { return pc_version() != PC_VERSION; }\n' >"$work/version.c"
links_all() { # links_all COMPILER LINKER: and a program with each of the libraries
	ln -sfn "$tree/build" "$work/linked"
	links "CC=$1" "LDFLAGS=-fuse-ld=$2" || return
	for library in .a .so; do
		"$1" -fuse-ld="$2" -I include "$work/version.c" "$work/linked/libproc_connector$library" \
			-o "$work/version" && LD_LIBRARY_PATH="$work/linked" "$work/version" || return
	done
}
for linker in bfd gold lld mold; do
	promised="the libraries can be linked with $linker"
	absent ld.$linker "$promised" && continue
	for compiler in gcc clang; do
		absent $compiler "$promised by $compiler" ||
			promise "$promised by $compiler, named in LDFLAGS, and programs with them" links_all $compiler $linker
	done
	mkdir "$work/$linker"
	ln -s "$(command -v ld.$linker)" "$work/$linker/ld"
	promise "$promised, named ld" links "PATH=$work/$linker:$PATH"
done
unfit() { # unfit TRIPLE LINKER WORDS: make refuses this linker for the machine before it builds anything
	! (cd "$tree" && make TARGET="$1" CARGO='cargo -Zbuild-std=core' LDFLAGS="-fuse-ld=$2") >"$work/refusal" 2>&1 &&
		cat "$work/refusal" && grep -q "^$3" "$work/refusal" && [ -z "$(ls "$tree/build/$1/cargo")" ]
}
promised="make refuses gold for ppc64 before it builds anything"
absent powerpc64le-linux-gnu-gcc "$promised" ||
	promise "$promised" unfit powerpc64le-unknown-linux-gnu gold 'GNU gold leaves addresses writable'

commands() { # commands SET: a folder with the set's versions of the commands that make install may use
	[ "$1" != uutils ] || { echo $uutils; return; }
	mkdir "$work/$1"
	for command in awk basename cat chmod cp dirname grep install ln ls mkdir mktemp mv rm sed sort tail touch; do
		"$1" "$command" --help >"$work/help" 2>&1 && ln -s "$(command -v "$1")" "$work/$1/$command"
	done
	echo "$work/$1"
}
installs() { # installs FOLDER: twice, with the commands there
	usr=$work/installed/usr
	rm -rf "$work/installed" "$work/before"
	for _ in first second; do
		(umask 077 && cd "$tree" && PATH=$1:$PATH make install PREFIX="$usr" CARGO=false) &&
			[ -f "$usr/share/man/man3/pc_recv_many.3" ] &&
			[ -z "$(find "$usr" ! -type l ! -perm 755 ! \( -type f -perm 644 \))" ] &&
			! [ "$work/before" -ef "$usr/lib/${shared##*/}" ] || return
		ln "$usr/lib/${shared##*/}" "$work/before"
	done
	(cd "$tree" && PATH=$1:$PATH make uninstall PREFIX="$usr") && [ -z "$(find "$usr" ! -type d)" ]
}
for set in busybox toybox uutils; do
	program=$set
	[ $set != uutils ] || program=$uutils/cp
	promised="with the commands of $set, make install works twice, replaces files, and all users can read them"
	absent $program "$promised" || promise "$promised" installs "$(commands $set)"
done

# The program is beside a checkout, as in docs/rust.md.
adds() {
	ln -s "$PWD" "$work/proc_connector" && mkdir -p "$work/program/src" &&
		printf '[package]\nname = "program"\nedition = "2024"\n' >"$work/program/Cargo.toml" &&
		echo 'fn main() { println!("{:?}", proc_connector::ProcConnector::new()); }' \
			>"$work/program/src/main.rs" &&
		command=$(grep -x 'cargo add --path .*' docs/rust.md) &&
		(cd "$work/program" && CARGO_NET_OFFLINE=true && export CARGO_NET_OFFLINE && $command &&
			cargo check --target-dir "$OLDPWD/build/added" && grep '^libproc_connector = ' Cargo.toml)
}
promise "the command in docs/rust.md adds the Rust library, under a name that is not another library's" adds

cleans() {
	mkdir -p "$work/shared/other-project" && (cd "$tree" && CARGO_TARGET_DIR=$work/shared make clean) &&
		[ -d "$work/shared/other-project" ] && [ ! -e "$tree/build" ]
}
promise "make clean leaves a CARGO_TARGET_DIR that other projects share" cleans
conclude
