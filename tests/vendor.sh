#!/bin/sh
# vendor.sh SOURCE FOLDER: puts the crates that the libraries need into FOLDER/vendor, as a distribution's packages
# would have them. FOLDER is made as a copy of SOURCE.
set -eu
cp -R "$1" "$2"
cd "$2"
sed -i '/^\[dev-dependencies\]/,/^$/d' Cargo.toml
cargo vendor --quiet
