#!/bin/sh
# vendor.sh: puts the crates that the libraries need into vendor/, in the versions that Cargo.lock names, and makes this
# copy of the sources build with them, without network. Do not run it in a checkout: it changes Cargo.toml.
set -eu
sed -i '/^\[dev-dependencies\]/,/^$/d' Cargo.toml
${CARGO:-cargo} vendor --quiet
tools/crates.sh vendor
