#!/bin/sh
# prove.sh SCRIPT … [:: ARGUMENT …]: runs scripts that print TAP, each with these arguments. Prints a line for each
# script, and every promise that is not kept. Fails if a promise is not kept, or if a script fails or ends early.
#
# Perl's prove does this, too, and runs several scripts at a time, but not every machine has it.
set -u
scripts=
while [ $# -gt 0 ] && [ "$1" != :: ]; do
	scripts="$scripts $1"
	shift
done
[ $# = 0 ] || shift

failed=0
for script in $scripts; do
	began=$(date +%s)
	echo "$script"
	{
		"$script" "$@"
		echo "status $? $(($(date +%s) - began))"
	} | awk '
		/^1\.\.[0-9]/ { plan = substr($1, 4); why = substr($0, length($1) + 2) }
		/^(not )?ok / { made++ }
		/^ok / { kept++ }
		/^ok .* # SKIP/ { skipped++ }
		/^not ok |^ok .* # SKIP/ { print "  " $0; fflush() }
		/^status / { status = $2; seconds = $3 }
		END {
			if (plan == "")
				wrong = "it made no plan"
			else if (made + 0 != plan + 0)
				wrong = made + 0 " of " plan " promises"
			else if (kept + 0 != made + 0)
				wrong = made - kept " of " plan " promises not kept"
			else if (status != 0)
				wrong = "status " status
			result = made ? made " promises, " skipped + 0 " skipped" : "skipped " why
			print "  " (wrong != "" ? "FAILED: " wrong : result) " (" seconds " s)"
			exit wrong != ""
		}' || failed=1
done
exit $failed
