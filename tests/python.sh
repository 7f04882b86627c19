#!/bin/bash
# bindings/python: types, the definitions made from the header, wheel and source distribution, the tests and the examples
# of the documentation on the real kernel, and other versions of Python. Prints TAP.
set -u
cd "$(dirname "$0")/.." || exit 1
packages=/usr/lib/python3/dist-packages
# shellcheck disable=SC2086
if ! tests/needs.sh /usr/bin/python3 python3 /usr/include/python3*/Python.h python3-dev $packages/cffi python3-cffi \
	$packages/setuptools python3-setuptools $packages/wheel python3-wheel $packages/build python3-build \
	$packages/pytest python3-pytest $packages/trio python3-trio /usr/lib/python3*/ensurepip python3-venv \
	$packages/mypy mypy $packages/twine twine pkg-config pkg-config readelf binutils unshare util-linux >&2; then
	[ "${CI:-}" = true ] && exit 1
	echo "1..0 # SKIP Python's tools cannot be had here"
	exit 0
fi
work=$PWD/build/python stage=$PWD/build/stage binding=$PWD/bindings/python
rm -rf "$work" "$binding/build"
mkdir -p "$work/dist"
python=/usr/bin/python3
. tests/tap.sh
. tests/pytest.sh

typed() { (cd "$binding" && MYPYPATH=src:tests "$python" -m mypy --cache-dir "$work/mypy"); }
promise "Python: mypy --strict has no complaint about the package and its tests" typed

# ---- The wheel and the source distribution ----

build() { # build FOLDER OUTPUT FLAG …: without network
	(cd "$1" && shift && "$python" -m build --no-isolation --outdir "$@" .)
}
promise "Python: the wheel is built from a checkout" build "$binding" "$work/dist" --wheel
promise "Python: the source distribution is built" build "$binding" "$work/dist" --sdist
checked() { "$python" -m twine check "$work"/dist/* && [ "$(find "$work/dist" -type f | wc -l)" = 2 ]; }
promise "Python: twine accepts the wheel and the source distribution" checked
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
named() { [ -f "$work/dist/proc_connector-$version-cp39-abi3-linux_$(uname -m).whl" ]; }
promise "Python: one wheel serves CPython 3.9 and later, and has the version of the library" named
wheel=$(echo "$work"/dist/*.whl)

"$python" -m zipfile -e "$wheel" "$work/site"
extension=$(echo "$work"/site/proc_connector/_native*.so)
alone() {
	readelf -dW "$extension" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort >"$work/needed"
	cat "$work/needed"
	! grep -vx 'libc.so.6\|libpthread.so.0' "$work/needed"
}
promise "Python: the extension contains the library, and needs nothing but the C library" alone
hides() {
	readelf --dyn-syms -W "$extension" | awk '$7 != "UND" { print $8 }' >"$work/exported"
	grep PyInit_ "$work/exported" && ! grep '^pc_' "$work/exported"
}
promise "Python: the extension exports no function of the library" hides
complete() {
	(cd "$binding/src/proc_connector" && ls -- *.py py.typed _native.pyi) >"$work/sources"
	(cd "$work/site/proc_connector" && ls -- *.py* && ls py.typed) >"$work/inside"
	! grep -vxFf "$work/inside" "$work/sources"
}
promise "Python: the wheel contains each module and py.typed" complete

# ---- The tests ----

pytest wheel "$python" "$work/site"

# ---- From the source distribution, with the library that pkg-config finds ----

tar -C "$work" -xzf "$work"/dist/*.tar.gz && mv "$work"/proc?connector-"$version" "$work/source"
installed() { # installed STATIC PATTERN: what the extension of such a build needs
	rm -rf "$work/source/build" "$work/installed" "$work/site-$1"
	PROC_CONNECTOR_STATIC=$1 PKG_CONFIG_PATH=$stage/lib/pkgconfig build "$work/source" "$work/installed" --wheel &&
		"$python" -m zipfile -e "$work"/installed/*.whl "$work/site-$1" &&
		readelf -dW "$work/site-$1"/proc_connector/_native*.so >"$work/needed" && cat "$work/needed"
}
shared() {
	installed 0 && grep 'NEEDED.*libproc_connector.so.0' "$work/needed" &&
		PYTHONPATH=$work/site-0 LD_LIBRARY_PATH=$stage/lib "$python" -c 'import proc_connector; proc_connector.Connector().close()'
}
promise "Python: a source distribution links the installed shared library" shared
static() {
	installed 1 && ! grep 'NEEDED.*libproc_connector' "$work/needed" &&
		PYTHONPATH=$work/site-1 "$python" -c 'import proc_connector; proc_connector.Connector().close()'
}
promise "Python: with PROC_CONNECTOR_STATIC=1 a source distribution links the installed static library" static
without() {
	(cd "$work/source" && PKG_CONFIG_PATH='' PKG_CONFIG_LIBDIR='' "$python" setup.py build 2>&1) | tee "$work/said" |
		grep '^The C library proc_connector is missing: install it'
}
promise "Python: without the library the build says what is missing" without
free_threaded() { # what setup.py asks for where CPython has no GIL
	(cd "$work/source" && "$python" -c "
import runpy, setuptools, sys, sysconfig
variable, found = sysconfig.get_config_var, {}
sysconfig.get_config_var = lambda name: 1 if name == 'Py_GIL_DISABLED' else variable(name)
setuptools.setup = lambda **options: found.update(options)
runpy.run_path('setup.py')
print(found)
sys.exit(found['options'] != {})")
}
promise "Python: a free-threaded CPython gets a wheel for its own version" free_threaded

# ---- Other Pythons, and the tag of the wheel: with packages from the package index ----

versions() { # the oldest and the newest CPython here that the wheel serves, unless it is the one of Debian
	{
		for name in python3.9 python3.10 python3.11 python3.12 python3.13 python3.14 python3.15; do command -v $name; done
		command -v pyenv >/dev/null && printf '%s\n' "$(pyenv root)"/versions/3.*/bin/python3
	} | while read -r found; do
		"$found" -c 'import sys; v = sys.version_info; v >= (3, 9) and print("%d.%02d" % v[:2], sys.executable)' 2>/dev/null
	done | sort -u -k1,1 | sed -n '1p; $p' | cut -d' ' -f2 | sort -u
}
for other in $(versions); do
	label=$("$other" -c 'import sys; print("CPython %d.%d" % sys.version_info[:2])')
	if environment "$other" "$work/$label" cffi pytest trio >"$work/log" 2>&1; then
		pytest "$label" "$work/$label/bin/python" "$work/site"
	else
		skip "Python, $label: all tests ran and passed" "its packages cannot be had here"
	fi
done
tagged() {
	"$work/auditwheel/bin/auditwheel" show "$wheel" | tee "$work/said" | tr -d '\n' |
		grep -o 'platform tag: "manylinux_2_[0-9]*_' | grep -E '_2_(1[0-9]|2[0-9])_$'
}
if environment "$python" "$work/auditwheel" auditwheel >"$work/log" 2>&1; then
	promise "Python: auditwheel calls the wheel manylinux, for glibc 2.28 or older" tagged
else
	skip "Python: auditwheel calls the wheel manylinux" "auditwheel cannot be had here"
fi

# What setuptools leaves beside the sources would be in the next wheel.
rm -rf "$binding/build" "$binding"/src/*.egg-info
clean() { ! git ls-files --others bindings/python | grep -E '/(build|dist)/|egg-info'; }
promise "Python: the build leaves nothing in the checkout" clean

conclude
