#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""clang-tidy over every source of the product, by the checks of .clang-tidy. The static analyzer takes five times as long
as all else together, and bugprone-unused-raii a third of the rest: they are run by hand, cmake --preset tidy && cmake
--build --preset tidy."""
import pathlib
import subprocess
import sys

from checked import Checked, commands, read_by, run_all

# The macros of libbpf and libseccomp are C99 and GNU C (tools/cmake/XkCompile.cmake).
TIDY = ["clang-tidy-14", "--quiet", "--warnings-as-errors=*", "--checks=-clang-analyzer-*,-bugprone-unused-raii",
        "--extra-arg=-Wno-c99-extensions", "--extra-arg=-Wno-gnu-statement-expression"]
TOPS = ("protocol/", "daemon/", "client/", "tools/")


def main():
    build = commands()
    sources = sorted(source for source in build if source.endswith(".cpp") and source.startswith(TOPS))
    version = subprocess.run(["clang-tidy-14", "--version"], capture_output=True, text=True, check=True).stdout
    checked = Checked("tidy", version, pathlib.Path(".clang-tidy").read_text(), *TIDY)

    def check(source):
        words, directory = build[source]
        if checked.is_good(source, words):
            return None
        files = read_by(words, directory)  # before: what changes meanwhile is checked again
        done = subprocess.run(TIDY + ["-p", str(checked.directory.parent.parent), source], capture_output=True, text=True)
        if done.returncode != 0:
            return done.stdout + done.stderr
        checked.is_good_now(source, words, files)
        return None

    faults = run_all(check, sources)
    if len(sources) < 180:
        faults.append(f"only {len(sources)} sources found")
    print("\n".join(faults) or f"{len(sources)} sources")
    return 1 if faults else 0


sys.exit(main())
