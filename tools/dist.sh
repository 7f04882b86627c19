#!/bin/sh
# dist.sh: what "make dist" does. It packs the last commit into build/dist/proc_connector-VERSION.tar.xz, with the
# crates that the libraries need and an SBOM. SHA256SUMS and a copy of the SBOM are written beside the tar.
#
# The tar has nothing of this machine, folder, user or moment: each file has the time of the commit. The same commit
# gives the same bytes wherever git, cargo, tar and xz have the same versions.
#
# The SBOM is made by cargo-cyclonedx, which the CycloneDX project maintains. It takes SOURCE_DATE_EPOCH as the time and
# then writes no random serial number, it can describe the features of the C libraries for all machines, and it has the
# checksum of each crate.
set -eu
cd "$(dirname "$0")/.."
fail() { echo "make dist: $1" >&2; exit 1; }
git=$(git rev-parse --show-prefix 2>&1) || fail "it packs a commit, so it needs a clone: $(echo "$git" | head -n 1)"
[ -z "$git" ] || fail "it packs a commit, so it needs a clone, and $PWD is a folder inside another one"
git diff --quiet HEAD || echo "make dist: packs the last commit, without the changes since then" >&2

export LC_ALL=C CARGO="${CARGO:-cargo}"
unset XZ_OPT XZ_DEFAULTS TAR_OPTIONS
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
version=$(git show HEAD:Cargo.toml | sed -n 's/^version = "\(.*\)"/\1/p')
name=proc_connector-$version
out=$PWD/build/dist
sbom=0.5.9
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

[ "$($CARGO cyclonedx --version 2>/dev/null)" = "cargo-cyclonedx-cyclonedx $sbom" ] || {
	echo "make dist: installs cargo-cyclonedx $sbom with cargo install" >&2
	CARGO_PROFILE_DEV_DEBUG=0 $CARGO install --quiet --locked --debug "cargo-cyclonedx@$sbom"
}
git -c core.autocrlf=false -c core.attributesFile=/dev/null archive --prefix="$name/" -o "$work/archive.tar" HEAD
tar -C "$work" -xf "$work/archive.tar"
cd "$work/$name"
tools/vendor.sh
$CARGO cyclonedx --quiet --format json --spec-version 1.5 --override-filename sbom.cdx \
	--target all --no-default-features --features capi,table
# The name of this folder is no part of the SBOM.
sed -i 's|path+file://[^"#]*#||; s|?download_url=file://\.||' sbom.cdx.json
cd ..
tar --create --file=source.tar --format=ustar --sort=name --mtime="@$SOURCE_DATE_EPOCH" \
	--owner=0 --group=0 --numeric-owner --mode=u+rw,go=rX "$name"
xz --threads=1 source.tar

mkdir -p "$out"
cp source.tar.xz "$out/$name.tar.xz"
cp "$name/sbom.cdx.json" "$out/$name.cdx.json"
cd "$out"
sha256sum "$name.tar.xz" "$name.cdx.json" >SHA256SUMS
cat SHA256SUMS
