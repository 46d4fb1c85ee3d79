#!/bin/bash
# SPDX-License-Identifier: MIT
# Every header says what it needs: it compiles alone.
set -euo pipefail
: "${XK_BUILD:?the build directory}"
read -ra flags <<<"$(pkg-config --cflags libbpf libsodium libnftnl libmnl libseccomp libcap-ng)"
compile() { g++-12 -std=c++20 -fsyntax-only -Wall -Wextra -Werror -I. "${@:2}" -x c++ -include "$1" /dev/null; }
export -f compile
mapfile -t headers < <(find bpf protocol daemon client tools tests -name '*.h' ! -path 'tests/fuzz/*' ! -name '*.skel.h' ! -name '*.bpf.h')
[ ${#headers[@]} -gt 40 ] || { echo "only ${#headers[@]} headers found" >&2 && exit 1; }
printf '%s\0' "${headers[@]}" | xargs -0 -P 2 -I {} bash -c 'compile "$@"' _ {} -DXK_VECTORS='""' -Itests/bpf \
	-I"$XK_BUILD/bpf/skel" "${flags[@]}"
echo "${#headers[@]} headers"
