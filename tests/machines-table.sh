#!/bin/sh
# machines-table.sh: writes build/machines.tsv, which kernels.sh --machines makes, into docs/machines.md as a table.
set -eu
cd "$(dirname "$0")/.."
table=$(awk -F '\t' '
	BEGIN {
		print "| machine | Rust'\''s name | builds | shared library, stripped | promises kept | kernel | queue per event |"
		print "|---|---|---|---|---|---|---|"
	}
	{
		size = $3 == "" ? "no | " : sprintf("yes | %d,%03d bytes", $3 / 1000, $3 % 1000)
		kept = $4 == "" ? "not run" : $5 " of " $4 ($6 > 0 ? ", " $6 ($6 == 1 ? " does" : " do") " not apply" : "")
		printf "| %s | `%s` | %s | %s | %s | %s |\n", $1, $2, size, kept, $7, $9 == "" ? "" : $9 " bytes"
	}' build/machines.tsv)
printf '%s\n' "$table" | tests/table.sh machines docs/machines.md
