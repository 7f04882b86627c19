#!/bin/sh
# crates.sh FOLDER: makes this copy of the sources build without network, with the crates in FOLDER, such as a
# distribution's /usr/share/cargo/registry or what "cargo vendor" made.
#
# A distribution has other versions of the crates than Cargo.lock names, and perhaps not those that only tests need.
# So the copy gets a Cargo.lock of its own, and a Cargo.toml without [dev-dependencies].
set -eu
sed '/^\[dev-dependencies\]/,/^$/d' Cargo.toml >Cargo.toml.new
mv Cargo.toml.new Cargo.toml
mkdir -p .cargo
printf '[source.crates-io]\nreplace-with = "here"\n[source.here]\ndirectory = "%s"\n' "$1" >.cargo/config.toml
rm -f Cargo.lock
${CARGO:-cargo} generate-lockfile --offline
