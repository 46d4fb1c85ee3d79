#!/bin/bash
# SPDX-License-Identifier: MIT
# Every shell script passes shellcheck.
set -euo pipefail
mapfile -t files < <(git ls-files -co --exclude-standard | while read -r file; do
	[ -f "$file" ] || continue
	case $file in *.sh) echo "$file" ;; *) if sed -n '1{s/[^[:print:]]//g;p;q}' "$file" | grep -aE '^#!.*[/ ](ba|da)?sh$' >/dev/null; then echo "$file"; fi ;; esac
done)
[ ${#files[@]} -gt 20 ] || { echo "only ${#files[@]} scripts found" >&2 && exit 1; }
shellcheck -x -P SCRIPTDIR "${files[@]}"
# Under pipefail a reader that stops early fails the pipeline whenever its writer is slower (SIGPIPE): matches() of
# tests/e2e/lib.sh and "sed -n 1p" read everything. A shell of its own (sh -c) has no pipefail.
mapfile -t strict < <(grep -lE 'pipefail|lib\.sh' "${files[@]}" | grep -vE '^tests/(lint/shell\.sh$|vm/init/)')
if grep -nE '(^|[^|])\|[[:space:]]*(grep -[a-zA-Z]*q|head\b)' "${strict[@]}" | grep -vE 'sh -c|SIGPIPE|:[[:space:]]*#'; then
	echo "a pipe's reader stops early" >&2
	exit 1
fi
echo "${#files[@]} scripts"
