#!/bin/bash
# SPDX-License-Identifier: MIT
# Every shell script passes shellcheck.
set -euo pipefail
mapfile -t files < <(git ls-files -co --exclude-standard | while read -r file; do
	[ -f "$file" ] || continue
	case $file in *.sh) echo "$file" ;; *) if head -c 64 "$file" | head -n 1 | grep -aqE '^#!.*[/ ](ba|da)?sh$'; then echo "$file"; fi ;; esac
done)
[ ${#files[@]} -gt 20 ] || { echo "only ${#files[@]} scripts found" >&2 && exit 1; }
shellcheck -x -P SCRIPTDIR "${files[@]}"
echo "${#files[@]} scripts"
