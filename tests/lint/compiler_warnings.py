#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A warning fails the build. Every source of ours is compiled with -Wall -Wextra -Werror, and by the very commands of the
build tree a source with a warning does not compile."""
import json
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile

FINE = "int answer();\nint answer() { return 42; }\n"
# One kind of warning each, so that no flag can be lost without a test that misses it.
WARNED = {
    "-Wunused-variable": "int answer();\nint answer() { int unused; return 42; }\n",
    "-Wsign-compare": "bool less(int a, unsigned b);\nbool less(int a, unsigned b) { return a < b; }\n",
    "-Wconversion": "short cut(long a);\nshort cut(long a) { return a; }\n",
    "-Wshadow": "int f(int a);\nint f(int a) { { int a = 1; (void)a; } return a; }\n",
}
WANTED = {"-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"}


def compile_command(entry):
    words = shlex.split(entry["command"])
    if "ccache" in os.path.basename(words[0]):
        words = words[1:]
    return words


def main():
    build = pathlib.Path(os.environ["XK_BUILD"])
    entries = json.loads((build / "compile_commands.json").read_text())
    faults = []
    for entry in entries:
        words = set(compile_command(entry))
        if entry["file"].endswith(".cpp") and not WANTED <= words:
            faults.append(f"{entry['file']} is compiled without {' '.join(sorted(WANTED - words))}")
    sample = next(e for e in entries if e["file"].endswith("/daemon/log.cpp"))
    words = compile_command(sample)
    with tempfile.TemporaryDirectory() as directory:
        source = pathlib.Path(directory) / "sample.cpp"
        words[words.index("-o") + 1] = str(pathlib.Path(directory) / "sample.o")
        words[words.index(sample["file"])] = str(source)

        def compiles(text):
            source.write_text(text)
            return subprocess.run(words, cwd=sample["directory"], capture_output=True, text=True)

        fine = compiles(FINE)
        if fine.returncode != 0:
            faults.append("a source without a warning does not compile: " + fine.stderr)
        for kind, text in WARNED.items():
            done = compiles(text)
            # clang names the part of -Wconversion that it means: -Wimplicit-int-conversion.
            if done.returncode == 0 or "-Werror" not in done.stderr or kind.removeprefix("-W") not in done.stderr:
                faults.append(f"a source with {kind} compiles")
    print("\n".join(faults) or f"{len(entries)} commands")
    return 1 if faults else 0


sys.exit(main())
