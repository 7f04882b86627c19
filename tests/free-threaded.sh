#!/bin/bash
# free-threaded.sh [SOURCE]: the Python package on a CPython without GIL: the one that PYTHON names, or that of the
# PATH. If there is none, the script builds one from the source package SOURCE of Debian sid, by default python3.14, and
# keeps it in $XDG_CACHE_HOME. SOURCE may have a version, as for apt-get: python3.14=3.14.10-1. Prints TAP.
set -u
cd "$(dirname "$0")/.." || exit 1
work=$PWD/build/free-threaded binding=$PWD/bindings/python source=${1:-python3.14}
kept=${XDG_CACHE_HOME:-$HOME/.cache}/proc_connector/free-threaded/$source
rm -rf "$work" "$binding/build"
mkdir -p "$work/lists/partial" "$work/dist"
. tests/tap.sh
. tests/pytest.sh

free_threaded() { "$1" -c 'import sys, sysconfig; sys.exit(not sysconfig.get_config_var("Py_GIL_DISABLED"))'; }
fetch() ( # apt checks the signature of sid's index, which has the checksums of the sources
	echo "deb-src $(tests/mirror.sh) sid main" >"$work/sources.list"
	set -- -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=/dev/null \
		-o Dir::State::Lists="$work/lists" -o Dir::Cache="$work/apt" -o Acquire::Check-Valid-Until=false
	apt-get "$@" -qq update && cd "$work" && apt-get "$@" -qq source --download-only "$source" && tar -xf ./*.orig.tar.*
)
build() (
	cd "$work"/?ython*/ && ./configure --disable-gil --prefix="$kept" && env -u MAKEFLAGS make -s &&
		env -u MAKEFLAGS make -s install && touch "$kept/complete"
)

python=${PYTHON:-$(command -v python3.15t || command -v python3.14t)}
if [ -n "$python" ]; then
	free_threaded "$python" || { echo "Bail out! PYTHON=$python is not a free-threaded CPython"; exit 1; }
else
	python=$kept/bin/python3
	[ -e "$kept/complete" ] || {
		# shellcheck disable=SC2086
		needs apt-get apt cc gcc make make pkg-config pkg-config xz xz-utils /usr/include/zlib.h zlib1g-dev \
			/usr/include/openssl/ssl.h libssl-dev /usr/include/*/ffi.h libffi-dev
		rm -rf "$kept"
		promise "Debian sid has the sources of $source" fetch
		[ $failed = 0 ] || conclude
		promise "the sources of $source become a free-threaded CPython" build
		[ $failed = 0 ] || conclude
	}
fi
label=$("$python" -c 'import sys; print("CPython %d.%dt" % sys.version_info[:2])')

environment "$python" "$work/python" cffi setuptools wheel pytest trio auditwheel >"$work/log" 2>&1 || {
	echo "Bail out! $label: $(grep -o 'CFFI does not support.*' "$work/log" || tail -n 1 "$work/log")"
	exit 1
}
python=$work/python/bin/python
wheel() { "$python" -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir "$work/dist" "$binding"; }
promise "Python, $label: the wheel is built" wheel
rm -rf "$binding/build" "$binding"/src/*.egg-info
tag=$("$python" -c 'import sys; print("cp%d%d-cp%d%dt" % (2 * sys.version_info[:2]))')
named() { ls "$work"/dist/* "$work"/dist/proc_connector-*-"$tag-linux_$(uname -m).whl"; }
promise "Python, $label: the wheel is for this CPython alone" named
audited() { "$work/python/bin/auditwheel" show "$work"/dist/*.whl | grep 'platform tag: "manylinux_2_'; }
promise "Python, $label: auditwheel calls the wheel manylinux" audited
installed() { "$python" -m pip install --quiet --no-index "$work"/dist/*.whl; }
promise "Python, $label: the wheel is installed" installed
unset PYTHON_GIL
disabled() { "$python" -W error -c 'import sys, proc_connector, pytest, trio; sys.exit(sys._is_gil_enabled())'; }
promise "Python, $label: nothing that the tests import enables the GIL" disabled
pytest "$label" "$python" ''
conclude
