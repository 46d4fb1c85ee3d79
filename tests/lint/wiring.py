#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Code of the product lives in libraries, which unit tests can link. An executable has a main.cpp of its own and nothing
else, and that is wiring: at most 150 lines."""
import pathlib
import re
import sys

TOPS, MOST_LINES = ("client", "tools"), 150


def executables():
    """(CMakeLists.txt, name, sources) of every program below TOPS."""
    for top in TOPS:
        for file in pathlib.Path(top).rglob("CMakeLists.txt"):
            text = re.sub(r"#.*", "", file.read_text())
            for name, words in re.findall(r"add_executable\((\S+)([^)]*)\)", text):
                yield file, name, words.split()


def main():
    faults, seen = [], 0
    for file, name, sources in executables():
        seen += 1
        if [pathlib.Path(source).name for source in sources] != ["main.cpp"]:
            faults.append(f"{file}: {name} is made of {' '.join(sources)}, and not of a main.cpp alone")
        for source in [source for source in sources if (file.parent / source).is_file()]:
            lines = len((file.parent / source).read_text().splitlines())
            if lines > MOST_LINES:
                faults.append(f"{file.parent / source}: {lines} lines are compiled into {name} and no library has them")
        if re.search(rf"target_sources\(\s*{re.escape(name)}\b", file.read_text()):
            faults.append(f"{file}: {name} gets more sources")
    if seen < 3:
        faults.append(f"only {seen} executables found: this test looks at the wrong place")
    print("\n".join(faults) or f"{seen} executables")
    return 1 if faults else 0


sys.exit(main())
