#!/bin/sh
# values.sh HEADER-FOLDER: the values of constants, and where fields are in structs: what types do
# not tell, or tell too strictly where structs may grow.
set -eu
header=$1/proc_connector.h
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
{
	printf '#include <proc_connector.h>\n#include <stdio.h>\nint main(void)\n{\n'
	sed -n 's/^#define \(PC_[A-Z_]*\) .*/\1/p; s/^    \(PC_[A-Z_]*\) = .*/\1/p' "$header" |
		grep -v '^PC_VERSION\|_INIT$' | sed 's/.*/printf("& %lld\\n", (long long)&);/'
	awk '/^struct pc_.* \{/ { name = $2 }
		/^}/ { name = "" }
		name && /^    [a-z].*;$/ && !/reserved/ {
			field = $NF
			gsub(/[*;]/, "", field)
			printf "printf(\"%s.%s at %%zu, %%zu bytes\\n\", ", name, field
			printf "offsetof(struct %s, %s), sizeof(((struct %s *)0)->%s));\n", name, field, name, field
		}' "$header"
	echo '}'
} >"$work/values.c"
"${CC:-cc}" -I "$1" "$work/values.c" -o "$work/values"
"$work/values" | LC_ALL=C sort
