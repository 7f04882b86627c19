#!/bin/sh
# bindings/go: formatted, vetted, its tests and examples on the real kernel under the race detector,
# and once more in a static program. Prints TAP.
set -u
cd "$(dirname "$0")/.."
if ! tests/needs.sh go golang pkg-config pkg-config readelf binutils >&2; then
	[ "${CI:-}" = true ] && exit 1
	echo "1..0 # SKIP Go (Debian's golang) cannot be had here"
	exit 0
fi
work=$PWD/build/go stage=$PWD/build/stage
mkdir -p "$work"
make --no-print-directory stage >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
export PKG_CONFIG_PATH="$stage/lib/pkgconfig" LD_LIBRARY_PATH="$stage/lib"
export GOCACHE="$work/cache" GOPROXY=off GOTOOLCHAIN=local CGO_ENABLED=1
. tests/tap.sh
cd bindings/go || exit 1

formatted() { [ -z "$(gofmt -l . | tee /dev/stderr)" ]; }
promise "the Go module is formatted" formatted
promise "go vet has no complaint" go vet ./...

kept() { # kept LABEL: the program's tests, each as a test of its own
	"$work/$1" -test.v -test.timeout 300s >"$work/$1.log" 2>&1
	ended=$?
	sed -n 's/^--- \(PASS\|FAIL\): \([A-Za-z_]*\).*/\1 \2/p' "$work/$1.log" >"$work/$1.results"
	while read -r verdict name; do
		[ "$verdict" = PASS ]
		ok $? "Go, $1: $name"
	done <"$work/$1.results"
	promise "Go, $1: all tests ran and passed" [ $ended = 0 ]
	[ $ended = 0 ] || sed 's/^/# /' "$work/$1.log" >&2
}
without_cgo() { CGO_ENABLED=0 go build . 2>&1 | tee /dev/stderr | grep -q 'CGO_ENABLED_must_be_1'; }
promise "without cgo the Go compiler names cgo as missing" without_cgo

promise "the Go module links the shared library, with the race detector" go test -race -c -o "$work/shared"
kept shared

static() {
	go test -tags static -c -o "$work/static" &&
		! readelf -l "$work/static" | grep -E 'INTERP|DYNAMIC'
}
promise "with the tag static the Go module links no shared library" static
kept static

conclude
