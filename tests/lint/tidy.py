#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""clang-tidy over every source of the product, by the checks of .clang-tidy. Several sources are one to it (CMake's unity
build): headers are then parsed and matched once for sixteen sources, which takes an eighth of the time. The static analyzer
sees nothing in sources that are included, and is run by hand: cmake --preset tidy && cmake --build --preset tidy."""
import os
import pathlib
import re
import subprocess
import sys

from checked import BUILD, Checked, commands, read_by, run_all

# The macros of libbpf and libseccomp are C99 and GNU C (tools/cmake/XkCompile.cmake).
TIDY = ["clang-tidy-14", "--quiet", "--warnings-as-errors=*", "--checks=-clang-analyzer-*",
        "--extra-arg=-Wno-c99-extensions", "--extra-arg=-Wno-gnu-statement-expression"]
TREE = BUILD / "lint" / "unity"
TOPS = ("protocol/", "daemon/", "client/", "tools/")


def sources_of(unit):
    """The product's sources that clang-tidy sees through this file."""
    text = pathlib.Path(unit).read_text()
    names = re.findall(r'^#include "(.*\.cpp)"$', text, re.M) if "/Unity/" in unit else [unit]
    return {name for name in map(os.path.relpath, names) if name.startswith(TOPS)}


def main():
    for words in (["cmake", "--preset", "tidy", "-B", str(TREE), "-DCMAKE_UNITY_BUILD=ON", "-DCMAKE_UNITY_BUILD_BATCH_SIZE=16",
                   "-DXK_TESTS=OFF"],
                  ["cmake", "--build", str(TREE), "--target", "knock_skeleton"]):  # the one source that is generated
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            sys.exit(done.stdout)
    build = commands(TREE)
    units = sorted(unit for unit in build if unit.endswith((".cpp", ".cxx")) and sources_of(unit))
    version = subprocess.run(["clang-tidy-14", "--version"], capture_output=True, text=True, check=True).stdout
    checked = Checked("tidy", version, pathlib.Path(".clang-tidy").read_text(), *TIDY)

    def check(unit):
        words, directory = build[unit]
        if checked.is_good(unit, words):
            return None
        files = read_by(words, directory)  # before: what changes meanwhile is checked again
        done = subprocess.run(TIDY + ["-p", str(TREE), unit], capture_output=True, text=True)
        if done.returncode != 0:
            return done.stdout + done.stderr
        checked.is_good_now(unit, words, files)
        return None

    faults = run_all(check, units)
    seen = set().union(*map(sources_of, units))
    built = {source for source in commands() if source.endswith(".cpp") and source.startswith(TOPS)}
    faults += [f"{source} is not looked at" for source in sorted(built - seen)]
    print("\n".join(faults) or f"{len(seen)} sources")
    return 1 if faults else 0


sys.exit(main())
