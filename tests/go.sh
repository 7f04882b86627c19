#!/bin/sh
# bindings/go: formatted, vetted, its tests and examples on the real kernel under the race detector,
# and once more in a static program. Prints TAP.
set -u
cd "$(dirname "$0")/.."
if ! tests/needs.sh go golang pkg-config pkg-config readelf binutils python3 python3 >&2; then
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
checkout=$PWD
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

# A program of another module: beside a checkout, with the commands that doc.go has; or with a download,
# once the module is published.
documented() { sed -n "s|^//\t\($1 .*\)|\1|p" doc.go; }
module=$(sed -n 's/^module //p' go.mod)
export GOMODCACHE="$work/modules" GOFLAGS=-modcacherw
uses() { # uses COMMANDS: after them, the program can be installed, and runs
	rm -rf "$work/beside" "$GOMODCACHE" && mkdir -p "$work/beside/program" &&
		ln -s "$checkout" "$work/beside/proc_connector" &&
		printf 'package main\n\n%s\n\nfunc main() { println(procconnector.Alive(1)) }\n' \
			"$(documented import)" >"$work/beside/program/main.go" &&
		(cd "$work/beside/program" && go mod init example.com/program && eval "set -e; $1" &&
			GOBIN="$work/beside/bin" go install . && "$work/beside/bin/program")
}
publish() { # what a module proxy has
	python3 - "$module" "$work/proxy/$module/@v" <<'END'
import glob, os, sys, zipfile
module, folder = sys.argv[1:]
os.makedirs(folder, exist_ok=True)
with zipfile.ZipFile(folder + "/v0.1.0.zip", "w") as archive:
    for file in glob.glob("*.go") + ["go.mod"]:
        archive.write(file, f"{module}@v0.1.0/{file}")
for name, text in {"list": "v0.1.0\n", "v0.1.0.info": '{"Version":"v0.1.0"}', "v0.1.0.mod": open("go.mod").read()}.items():
    with open(f"{folder}/{name}", "w") as file:
        file.write(text)
END
}
published() {
	publish && (export GOPROXY="file://$work/proxy" GONOSUMDB='*' && uses "go get $module@latest")
}
promise "a Go program uses a checkout through a workspace" uses "$(documented 'go work')"
promise "a Go program uses a checkout through its go.mod" uses "$(documented 'go mod'; documented 'go get')"
promise "go get can download the Go module once it is published" published

static() {
	go test -tags static -c -o "$work/static" &&
		! readelf -l "$work/static" | grep -E 'INTERP|DYNAMIC'
}
promise "with the tag static the Go module links no shared library" static
kept static

conclude
