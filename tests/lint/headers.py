#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every header compiles alone. Where a source of the build includes it before anything else, the build has proved that;
the others are compiled here."""
import pathlib
import re
import subprocess
import sys

from checked import Checked, commands, named_in, run_all

TOPS = ("bpf", "protocol", "daemon", "client", "tools", "tests")
# A header is compiled with the flags of this source, which has all include directories that there are.
LIKE = "tests/bpf/maps_test.cpp"


def own_headers():
    for top in TOPS:
        for path in pathlib.Path(top).rglob("*.h"):
            if not str(path).startswith("tests/fuzz/") and not path.name.endswith((".skel.h", ".bpf.h")):
                yield str(path)


def first_directive(source):
    match = re.search(r"^\s*#.*$", pathlib.Path(source).read_text(), re.M)
    return re.sub(r"\s", "", match.group(0)) if match else ""


def main():
    build = commands()
    proved = {first_directive(source) for source in build if source.endswith(".cpp")}
    headers = list(own_headers())
    left = [h for h in headers if f'#include"{h}"' not in proved]
    words, directory = build[LIKE]
    flags = words[:words.index("-o")] + ['-DXK_VECTORS=""', '-DXK_SAMPLE=""']
    version = subprocess.run([words[0], "--version"], capture_output=True, text=True, check=True).stdout
    checked = Checked("headers", version)

    def check(header):
        words = flags + ["-fsyntax-only", "-x", "c++", "-include", str(pathlib.Path(header).resolve()), "/dev/null"]
        if checked.is_good(header, words):
            return None
        done = subprocess.run(words + ["-MD", "-MF", "/dev/stdout"], cwd=directory, capture_output=True, text=True)
        if done.returncode != 0:
            return f"{header} does not compile alone:\n{done.stderr}"
        checked.is_good_now(header, words, named_in(done.stdout, directory))
        return None

    faults = run_all(check, left)
    if len(headers) < 200 or len(left) > len(headers) / 3:
        faults.append(f"{len(left)} of {len(headers)} headers have no source that begins with them: this looks at the wrong place")
    print("\n".join(faults) or f"{len(headers)} headers, {len(left)} of them compiled here")
    return 1 if faults else 0


sys.exit(main())
