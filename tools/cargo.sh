#!/bin/sh
# cargo.sh FILE FOLDER COMMAND …: runs a cargo command that builds in FOLDER, and copies what it made to FILE,
# whose name must be the one that cargo gives it. It builds for the machine TARGET, or for this one.
#
# CARGO_BUILD_TARGET, CARGO_TARGET_DIR, CARGO_PROFILE_RELEASE_* and cargo's configuration files can change
# where cargo writes, and what. Arguments overrule them, so this script gives cargo the target, the folder
# and all settings of Cargo.toml's release profile. The copy is newer than the sources: cargo itself keeps
# the time of a file that need not change.
set -eu
file=$1 folder=$2 cargo=${CARGO:-cargo}
shift 2

# shellcheck disable=SC2086
target=${TARGET:-$($cargo -vV | sed -n 's/^host: //p')}

profile=debug manifest=Cargo.toml last=
for argument; do
	[ "$argument" != --release ] || profile=release
	[ "$last" != --manifest-path ] || manifest=$argument
	last=$argument
done
command=$1
shift
while read -r name is value; do
	[ "$is" != = ] || set -- --config "profile.release.$name=$value" "$@"
done <<PROFILE
$(sed -n '/^\[profile.release\]$/,/^$/p' "$manifest")
PROFILE

made=$folder/$target/$profile/${file##*/}
rm -f "$file" "$made"
# shellcheck disable=SC2086
$cargo "$command" --target "$target" --target-dir "$folder" "$@"
cp "$made" "$file"
