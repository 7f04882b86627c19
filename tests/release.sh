#!/bin/sh
# release.sh FOLDER: makes FOLDER a repository whose only commit has the present state of the sources, and packs that
# commit as "make dist" does, in FOLDER/build/dist.
set -eu
mkdir "$1"
tar -c --exclude=./build --exclude=./target --exclude=./.git --exclude=./fuzz/target . | tar -x -C "$1"
cd "$1"
git init --quiet
git add --all
git -c user.name=tests -c user.email=tests@localhost -c commit.gpgsign=false commit --quiet --message=present
tools/dist.sh
