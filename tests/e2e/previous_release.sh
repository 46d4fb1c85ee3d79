#!/bin/bash
# SPDX-License-Identifier: MIT
# Builds the release before this one from the repository's own history, for the tests of an upgrade. Its programs lie in
# $XK_BUILD/previous/COMMIT afterwards, as they lie in a build directory; what is there is not built again.
set -euo pipefail
: "${XK_BUILD:?the build directory}"
cd "$(dirname "$0")/../.."

# The release whose state a start must be able to read. With a new release this becomes the one that was the newest
# until then, and daemon/authz/state_before.h its layout.
PREVIOUS=1c19776cb4e8

find_commit() { commit=$(git rev-parse --verify --quiet "$PREVIOUS^{commit}"); }
# A clone may be shallow.
find_commit || { git fetch --quiet --unshallow && find_commit; } || {
	printf '%s\n' "commit $PREVIOUS is not in this clone: git fetch --unshallow" >&2
	exit 1
}
programs=(daemon/xknockd daemon/xknock-worker daemon/xknock-hooks tools/knockctl tools/knockctl-host)
directory=$XK_BUILD/previous/$commit
complete() {
	local program
	for program in "${programs[@]}"; do [ -x "$directory/$program" ] || return 1; done
}
if ! complete; then
	work=$(mktemp -d "$XK_BUILD/previous.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	mkdir "$work/source"
	git archive "$commit" | tar -x -C "$work/source"
	(
		cd "$work/source"
		# What it writes does not depend on the compiler: so it is the one that is quick, and warnings are its own affair.
		cmake --preset release -DCMAKE_C_COMPILER=clang-14 -DCMAKE_CXX_COMPILER=clang++-14 \
			-DCMAKE_CXX_FLAGS_RELEASE=-O0 -DXK_WERROR=OFF
		cmake --build build/release --target "${programs[@]##*/}" --parallel "$(nproc)"
	) >"$work/log" 2>&1 || {
		tail -n 20 "$work/log" >&2
		exit 1
	}
	for program in "${programs[@]}"; do install -D "$work/source/build/release/$program" "$directory/$program"; done
fi
printf '%s\n' "$directory"
