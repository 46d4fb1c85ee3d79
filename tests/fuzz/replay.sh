#!/bin/sh
# SPDX-License-Identifier: MIT
# usage: replay.sh TARGET CORPUS [libFuzzer's options]
# Runs a fuzz target over its corpus and on from there, without a change to the corpus: what libFuzzer finds goes
# to a directory that is thrown away. An input that breaks something stays, in the directory of the build.
set -eu
target=$1 corpus=$2
shift 2
found=$(mktemp -d)
trap 'rm -rf "$found"' EXIT
"$target" -seed=1 -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$PWD/" "$@" "$found" "$corpus"
