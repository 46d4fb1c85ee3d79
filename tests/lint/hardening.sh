#!/bin/bash
# SPDX-License-Identifier: MIT
# hardening.sh BUILD, or hardening.sh --installed ROOT: what the compiler was asked for is in the binaries as they are
# shipped, in a build tree or below a root.
set -euo pipefail
faults=0
programs=(daemon/xknockd daemon/xknock-worker daemon/xknock-hooks client/knock-client tools/knockctl tools/knockctl-host)
if [ "$1" = --installed ]; then
	shift
	programs=(usr/sbin/xknockd usr/libexec/xknock-worker usr/libexec/xknock-hooks usr/bin/knock-client usr/sbin/knockctl
		usr/libexec/knockctl-host)
fi
for program in "${programs[@]}"; do
	file=$1/$program
	# has WHAT PATTERN OPTION: readelf's output for OPTION holds it.
	has() { grep -qE "$2" <<<"$(readelf -W "$3" "$file")" || { echo "$program: $1" >&2 && faults=1; }; }
	lacks() { ! grep -qE "$2" <<<"$(readelf -W "$3" "$file")" || { echo "$program: $1" >&2 && faults=1; }; }
	has "is not position independent" 'Type: +DYN' -h
	has "has no read-only relocations" 'GNU_RELRO' -l
	has "binds lazily" '\(FLAGS_1\).* NOW' -d
	has "has no stack segment that says not executable" 'GNU_STACK.* RW ' -l
	lacks "has a segment that can be written and executed" 'LOAD.* RWE' -l
	lacks "looks for libraries where it was built" 'R(UN)?PATH' -d
	has "has no stack protector" '__stack_chk_fail' --dyn-syms
	# No property note says it: Debian's start-up code is not built so. Every function begins with the landing mark.
	[ "$(objdump -d "$file" | grep -c endbr64)" -gt 100 ] || { echo "$program: has no control-flow protection" >&2 && faults=1; }
	! grep -qE "$PWD/|/build/" "$file" || { echo "$program: knows where it was built" >&2 && faults=1; }
done
[ -e "$1/compile_commands.json" ] || exit $faults
# Whether a program has fortified calls depends on what it calls: where the compiler proves every length, none is left. So
# the commands are read.
commands=$(grep -E '"command": .* -c [^ ]*/(protocol|daemon|client|tools)/[^ ]*\.c(pp|xx)' "$1/compile_commands.json")
[ "$(wc -l <<<"$commands")" -gt 40 ] || { echo "few compile commands: this test looks at the wrong place" >&2 && faults=1; }
! grep -v -- '-D_FORTIFY_SOURCE=' <<<"$commands" | sed -n 1p | grep . >&2 || { echo "compiled without _FORTIFY_SOURCE" >&2 && faults=1; }
exit $faults
