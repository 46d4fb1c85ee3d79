#!/bin/bash
# SPDX-License-Identifier: MIT
# Every test that is written is run.
set -euo pipefail
: "${XK_BUILD:?the build directory}"
known=$(ctest --test-dir "$XK_BUILD" -N)
faults=0
fault() { printf '%s\n' "$*" >&2 && faults=1; }
is_known() { grep -qE ": $1\$" <<<"$known" || fault "$1 is not registered ($2)"; }

for file in tests/e2e/*.sh; do
	name=$(basename "$file" .sh)
	case $name in
	lib | *_ground) ;;
	package_bookworm | package_trixie | first_ssh) ;; # tools/run-tests --releases
	*) is_known "e2e.$name" "$file" ;;
	esac
	[ -x "$file" ] || fault "$file is not executable"
done
while read -r name; do
	[ "$name" = backports ] || is_known "vm.$name" tests/vm/run.sh
done < <(sed -n 's/^case_\([a-z0-9_]*\)().*/\1/p' tests/vm/run.sh)
for file in tests/fuzz/fuzz_*.cpp; do
	name=$(basename "$file" .cpp)
	is_known "fuzz.${name#fuzz_}" "$file"
	[ -n "$(ls "tests/fuzz/corpus/${name#fuzz_}")" ] || fault "$file has no corpus"
done
for file in tests/unit/*/*_test.cpp tests/bpf/*_test.cpp tests/nft/*_test.cpp; do
	relative=${file#tests/unit/}
	# As a word: pinned_maps_test.cpp is not maps_test.cpp.
	grep -qwF "${relative##*/}" "$(dirname "$file")/CMakeLists.txt" 2>/dev/null ||
		grep -qwF "$relative" tests/unit/CMakeLists.txt || fault "$file is not compiled"
done
for file in tests/lint/*.sh tests/lint/*.py; do grep -qF "$file" tests/lint/CMakeLists.txt || fault "$file is not run"; done
# Scripts beside such a file would import it in place of Python's own module.
shadowing=$(git ls-files '*.py' | python3 -c 'import sys
for path in sys.stdin.read().split():
    if path.rsplit("/", 1)[-1][:-3] in sys.stdlib_module_names: print(path)')
[ -z "$shadowing" ] || fault "$shadowing has the name of a module of Python's own"
# A test that may skip, or a case that is switched off, tests nothing.
if grep -rnE 'SKIP_RETURN_CODE|[ "]DISABLED|doctest::skip|may_fail|should_fail' tests --include=CMakeLists.txt --include='*.cpp' >&2; then
	fault "a test may be skipped"
fi
exit $faults
