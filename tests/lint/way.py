#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One packet's way from the network card to the set element stays short enough to be read at one sitting. The table of
docs/architecture.md, "The way of one packet", names its files in order, and where only some functions of a file are on
the way, those. At most eight files, and 900 lines."""
import pathlib
import re
import sys

MOST_FILES, MOST_LINES = 8, 900


def rows_of(document):
    section = document.split("\n## The way of one packet\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"^\| (\d+) \| `([^`|]+)` \|([^|]*)\|", section, re.M)


def length_of(lines, name):
    """Lines of a function's or class's definition: to the closing brace that stands where its first line begins."""
    short = name.split("::")[-1]
    for first, line in enumerate(lines):
        if not re.match(rf"\s*[^/*\s].*\b{short}\b", line) or line.rstrip().endswith(";") or not (
                re.search(rf"\b{re.escape(name)}\(", line) or re.match(rf"\s*(class|struct) .*\b{short}\b", line)):
            continue
        if line.rstrip().endswith("}"):
            return 1
        indent = re.match(r"\s*", line).group()
        for last in range(first + 1, len(lines)):
            text = lines[last].rstrip()
            if text in (indent + "}", indent + "};"):
                return last - first + 1
            if text.endswith(";") and text.startswith(indent) and not text.startswith(indent + " ") and "{" not in text:
                break  # a declaration of more than one line
    return None


def main():
    faults, total = [], 0
    rows = rows_of(pathlib.Path("docs/architecture.md").read_text())
    for number, (place, name, functions) in enumerate(rows, 1):
        if int(place) != number:
            faults.append(f"row {number} has the number {place}")
        file = pathlib.Path(name)
        if not file.is_file():
            faults.append(f"{name}: not there")
            continue
        lines = file.read_text().splitlines()
        named = re.findall(r"`([^`]+)`", functions)
        for function in named:
            length = length_of(lines, function)
            if length is None:
                faults.append(f"{name}: no {function}")
            total += length or 0
        total += 0 if named else len(lines)
    names = [name for _, name, _ in rows]
    if len(names) < 6 or names[0] != "bpf/knock.bpf.c" or not names[-1].startswith(("daemon/grants/", "daemon/nft/")):
        faults.append("the way does not lead from the filter to the set element")
    if len(set(names)) > MOST_FILES:
        faults.append(f"{len(set(names))} files, at most {MOST_FILES}")
    if total > MOST_LINES:
        faults.append(f"{total} lines, at most {MOST_LINES}")
    print("\n".join(faults) or f"{len(set(names))} files, {total} lines")
    return 1 if faults else 0


sys.exit(main())
