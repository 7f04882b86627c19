#!/bin/sh
# make dist: the same bytes each time, and all that is needed to build without network. And the Rust package that cargo
# would publish. Prints TAP.
set -u
cd "$(dirname "$0")/.." || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
. tests/tap.sh
needs git git xz xz-utils unshare util-linux python3 python3
name=proc_connector-$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
repository=$work/repository made=$work/repository/build/dist source=$work/unpacked/$name

export GIT_COMMITTER_DATE='2001-09-09 01:46:40 +0000' # 1000000000
promise "make dist packs a commit" tests/release.sh "$repository"
unset GIT_COMMITTER_DATE
again() { # nothing is equal but the commit
	mkdir "$work/temporary files" && git clone --quiet "$repository" "$work/another clone" &&
		cd "$work/another clone" && find . -name .git -prune -o -exec touch -h -d 1999-12-31 {} + &&
		umask 077 && TMPDIR="$work/temporary files" TZ=Asia/Tokyo LC_ALL=C.UTF-8 XZ_OPT=-0 \
			TAR_OPTIONS=--owner=nobody make dist && diff -r "$made" build/dist
}
same() { (again); }
promise "another clone gives the same bytes, with another umask, locale, time zone and temporary folder" same
checksums() {
	(cd "$made" && sha256sum --check SHA256SUMS) && [ "$(ls "$made")" = "SHA256SUMS
$name.cdx.json
$name.tar.xz" ]
}
promise "SHA256SUMS has the checksums of the tar and of the SBOM" checksums
unpacked() {
	mkdir "$work/unpacked" && tar -C "$work/unpacked" -xf "$made/$name.tar.xz" && [ "$(ls "$work/unpacked")" = "$name" ]
}
promise "the tar has one folder, with the name and the version" unpacked

cat >"$work/differences" <<END
Files $repository/Cargo.lock and $source/Cargo.lock differ
Files $repository/Cargo.toml and $source/Cargo.toml differ
Only in $source: .cargo
Only in $source: sbom.cdx.json
Only in $source: vendor
END
no_more() {
	diff -rq --exclude=.git --exclude=build "$repository" "$source" | LC_ALL=C sort | diff "$work/differences" - || return
	diff "$repository/Cargo.toml" "$source/Cargo.toml" | grep '^[<>]' | tee "$work/removed" &&
		[ "$(grep -v '^< *\(#\|$\|cbindgen\|proptest\)' "$work/removed")" = '< [dev-dependencies]' ] &&
		cmp "$made/$name.cdx.json" "$source/sbom.cdx.json"
}
promise "the tar has the commit without dev-dependencies, the crates, cargo's configuration and the SBOM, and no more" no_more
cat >"$work/inspect.py" <<'END'
import json, sys, tarfile, tomllib
tar, repository, source, sbom = sys.argv[1:]
entries = tarfile.open(tar).getmembers()
names = [entry.name.split("/") for entry in entries]
assert names == sorted(names)
for entry in entries:
    mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
    found = (entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname, entry.issym() or entry.mode == mode)
    assert found == (1000000000, 0, 0, "", "", True), (entry.name, found)
locks = [tomllib.load(open(f"{folder}/Cargo.lock", "rb"))["package"] for folder in (repository, source)]
locked, used = ({(crate["name"], crate["version"], crate.get("checksum")) for crate in lock} for lock in locks)
assert used <= locked, used - locked
text = open(sbom).read()
bom = json.loads(text)
component = bom["metadata"]["component"]
listed = {(it["name"], it["version"], it["hashes"][0]["content"]) for it in bom["components"]}
listed.add((component["name"], component["version"], None))
assert listed == used, listed ^ used
assert all(it["licenses"] and it["purl"] for it in bom["components"] + [component])
references = {it["bom-ref"] for it in bom["components"] + [component]}
assert {it["ref"] for it in bom["dependencies"]} == references
assert bom["metadata"]["timestamp"].startswith("2001-09-09T01:46:40"), bom["metadata"]["timestamp"]
assert "serialNumber" not in bom and "file:" not in text, text
END
inspected() { python3 "$work/inspect.py" "$made/$name.tar.xz" "$repository" "$source" "$made/$name.cdx.json"; }
promise "the tar is sorted and has the commit's time, and its SBOM has each crate with the checksum of Cargo.lock" inspected
# shellcheck disable=SC2016
alone() {
	cp -R "$work/unpacked" "$work/alone" && cd "$work/alone/$name" && export CARGO_HOME="$work/no-crates" &&
		unshare -n sh -c 'make && make install DESTDIR="$0" PREFIX=/usr && make check' "$work/installed" &&
		[ -f "$work/installed/usr/lib/libproc_connector.so.0" ]
}
offline() { (alone); }
promise "make, make install and make check pass from the tar alone, without network" offline
refusal() {
	! make -s -C "$source" dist >"$work/said" 2>&1
	refused=$?
	cat "$work/said"
	[ $refused = 0 ] && [ "$(grep -vc '^make\(\[.*\]\)\?: ' "$work/said")" = 1 ] &&
		grep '^make dist: .* needs a clone: fatal: not a git' "$work/said"
}
promise "in the unpacked tar, make dist says in one line that it needs a clone" refusal

crate() {
	cd "$repository" && cargo package --list >"$work/listed" &&
		{ git ls-files src include CHANGELOG.md ARCHITECTURE.md README.md 'LICENSE-*' cbindgen.toml Cargo.toml Cargo.lock &&
			printf '%s\n' Cargo.toml.orig .cargo_vcs_info.json; } | LC_ALL=C sort >"$work/wanted" &&
		LC_ALL=C sort "$work/listed" | diff "$work/wanted" - && cargo package --locked --target-dir "$work/package"
}
packaged() { (crate); }
promise "the Rust package has the sources, the headers and the main documents, and compiles by itself" packaged
conclude
