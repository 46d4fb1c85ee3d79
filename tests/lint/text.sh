#!/bin/bash
# SPDX-License-Identifier: MIT
# What no file of the project may have, and what each must.
set -euo pipefail
faults=0
fault() { printf '%s\n' "$*" >&2 && faults=1; }
mapfile -t files < <(git ls-files -co --exclude-standard | grep -v '^tests/fuzz/corpus/' | while read -r file; do
	[ ! -f "$file" ] || echo "$file"
done)
[ ${#files[@]} -gt 150 ] || fault "only ${#files[@]} files found"

# An empty value in a vector ends with a blank.
if grep -nIE '[[:blank:]]+$' "${files[@]}" | grep -v '^tests/vectors/'; then fault "white space at the end of a line"; fi
if grep -nIwE 'TO''DO|FIX''ME|XX''X|HA''CK' "${files[@]}"; then fault "something is not finished"; fi
for file in "${files[@]}"; do
	case $file in
	*.bpf.c | *.bpf.h) wanted='GPL-2.0-only' ;;
	*.cpp | *.h) wanted='MIT' ;;
	*.c | *.sh | *.py | *CMakeLists.txt | *.cmake) wanted='MIT' ;;
	*) continue ;;
	esac
	[ "$file" != bpf/abi.h ] || wanted='.*'
	[[ $(head -n 3 "$file") =~ SPDX-License-Identifier:\ \(?$wanted ]] || fault "$file does not say its licence"
done
# A document that a comment sends the reader to is there.
while read -r file reference; do
	[ -f "$reference" ] || fault "$file refers to $reference, which is not there"
done < <(grep -oHE 'docs/[a-z]+\.md' "${files[@]}" | sed 's/:/ /' | sort -u)
for entry in $(git ls-files -co --exclude-standard | cut -d/ -f1 | sort -u); do
	case $entry in
	CMakeLists.txt | bpf | daemon | client | tools | systemd | packaging | tests | README.md | protocol | docs | LICENSE | \
		CMakePresets.json | CONTRIBUTING.md | SECURITY.md | CHANGELOG.md | .?*) ;;
	*) fault "$entry does not belong to the top level" ;;
	esac
done
exit $faults
