#!/bin/bash
# SPDX-License-Identifier: MIT
# clang-tidy over every source of the product, by the checks of .clang-tidy. The static analyzer takes five times as long
# as all else together, so that it is run by hand: cmake --preset tidy && cmake --build --preset tidy.
#
# The macros of libbpf and libseccomp are C99 and GNU C (tools/cmake/XkCompile.cmake).
set -euo pipefail
: "${XK_BUILD:?the build directory}"
mapfile -t sources < <(git ls-files -co --exclude-standard 'protocol/*.cpp' 'daemon/*.cpp' 'client/*.cpp' 'tools/*.cpp')
[ ${#sources[@]} -gt 120 ] || { echo "only ${#sources[@]} sources found" >&2 && exit 1; }
printf '%s\0' "${sources[@]}" | xargs -0 -P "$(nproc)" -n 6 \
	clang-tidy-14 --quiet --warnings-as-errors='*' --checks='-clang-analyzer-*' -p "$XK_BUILD" \
	--extra-arg=-Wno-c99-extensions --extra-arg=-Wno-gnu-statement-expression
echo "${#sources[@]} sources"
