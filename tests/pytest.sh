# Sourced by the scripts that run the tests of bindings/python, after tap.sh; they set $work and $binding.
# shellcheck shell=bash disable=SC2154
export PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1
export PROC_CONNECTOR_INCLUDE="$PWD/build/stage/include" PROC_CONNECTOR_DOCUMENTS="$PWD/docs/python.md"
make --no-print-directory stage >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }

environment() { # environment PYTHON FOLDER PACKAGE …: with packages from the package index
	"$1" -m venv "$2" && "$2/bin/pip" install --quiet "${@:3}"
}

pytest() { # pytest LABEL PYTHON SITE: the tests, each as a promise of its own
	local label=$1
	(cd "$work" && PYTHONPATH=$3 "$2" -m pytest -rA --tb=short -c "$binding/pyproject.toml" --rootdir "$binding" "$binding/tests") \
		>"$work/$label.log" 2>&1
	ended=$?
	sed -n 's/^\(PASSED\|FAILED\|ERROR\|SKIPPED\) \(.*\)/\1 \2/p' "$work/$label.log" >"$work/$label.results"
	while read -r verdict name; do
		case $verdict in
		SKIPPED) skip "Python, $label: ${name%%: *}" "${name#*: }" ;;
		*)
			[ "$verdict" = PASSED ]
			ok $? "Python, $label: $(echo "${name%% - *}" | sed 's/.*::test_//; y/_/ /')"
			;;
		esac
	done <"$work/$label.results"
	promise "Python, $label: all tests ran and passed" [ $ended = 0 ]
	[ $ended = 0 ] || tail -n 60 "$work/$label.log" | sed 's/^/# /' >&2
}
