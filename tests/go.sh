#!/bin/sh
# bindings/go: formatted, vetted, its tests and examples on the real kernel under the race detector,
# and once more in a static program. Prints TAP.
set -u
cd "$(dirname "$0")/.."
if ! tests/needs.sh go golang pkg-config pkg-config readelf binutils git git >&2; then
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
# What a module proxy makes from the tag of a release: it looks for the tag FOLDER/vVERSION.
publish() {
	version=v$(sed -n 's/^version = "\(.*\)"/\1/p' "$checkout/Cargo.toml") tag=bindings/go/$version
	folder=$work/proxy/$module/@v
	rm -rf "$work/tagged" "$work/proxy" && mkdir -p "$work/tagged/bindings" "$folder" &&
		cp -R "$checkout/bindings/go" "$work/tagged/bindings" && cp "$checkout"/LICENSE-* "$work/tagged" && cd "$work/tagged" &&
		git init --quiet && git add --all &&
		git -c user.name=tests -c user.email=tests@localhost commit --quiet --message=release && git tag "$tag" &&
		git archive --format=zip --prefix="$module@$version/" -o "$folder/$version.zip" "$tag:bindings/go" &&
		git show "$tag:bindings/go/go.mod" >"$folder/$version.mod" && echo "$version" >"$folder/list" &&
		echo "{\"Version\":\"$version\"}" >"$folder/$version.info"
}
published() {
	(publish) && (export GOPROXY="file://$work/proxy" GONOSUMDB='*' && uses "go get $module@latest" &&
		cd "$work/beside/program" && go vet "$module" && go list -m "$module" | grep -x "$module $(cat "$work/proxy/$module/@v/list")")
}
promise "a Go program uses a checkout through a workspace" uses "$(documented 'go work')"
promise "a Go program uses a checkout through its go.mod" uses "$(documented 'go mod'; documented 'go get')"
promise "go get downloads the Go module from its tag once it is published, and go vet has no complaint" published

static() {
	go test -tags static -c -o "$work/static" &&
		! readelf -l "$work/static" | grep -E 'INTERP|DYNAMIC'
}
promise "with the tag static the Go module links no shared library" static
kept static

conclude
