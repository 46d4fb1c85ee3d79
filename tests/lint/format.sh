#!/bin/bash
# SPDX-License-Identifier: MIT
# The tree obeys .clang-format, and C for the kernel bpf/.clang-format. One version, because each formats a little otherwise.
set -euo pipefail
mapfile -t cpp < <(git ls-files -co --exclude-standard '*.cpp' '*.h' ':!bpf/abi.h')
mapfile -t bpf < <(git ls-files -co --exclude-standard 'bpf/*.c' 'bpf/*.h' '*.bpf.c')
if [ ${#cpp[@]} -lt 250 ] || [ ${#bpf[@]} -lt 2 ]; then
	echo "only ${#cpp[@]} and ${#bpf[@]} files found" >&2
	exit 1
fi
clang-format-14 --dry-run --Werror "${cpp[@]}"
clang-format-14 --dry-run --Werror --style=file:bpf/.clang-format "${bpf[@]}"
# The formatter does not break comments. ruleset_test.cpp quotes nft(8).
if awk 'length > 120 && FILENAME != "tests/nft/ruleset_test.cpp" { print FILENAME ":" FNR ": " length " columns"; found = 1 } END { exit !found }' "${cpp[@]}" >&2; then exit 1; fi
echo "$((${#cpp[@]} + ${#bpf[@]})) files"
