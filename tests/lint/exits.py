#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each exit of the filter has one word: the enumerator in bpf/abi.h, the key in JSON (daemon/xdp/maps.cpp), and the
counter in docs/protocol.md and docs/control.md. The program leaves by each of them."""
import pathlib
import re
import sys


def part(path, begin, end):
    return pathlib.Path(path).read_text().split(begin, 1)[1].split(end, 1)[0]


def main():
    enumerators = re.findall(r"^\s*XK_([A-Z_]+),", part("bpf/abi.h", "enum xk_counter {", "}"), re.M)
    words = [name.lower().replace("_", "-") for name in enumerators]
    keys = re.findall(r'"([^"]+)"', part("daemon/xdp/maps.cpp", "kNames[] = {", "}"))
    order = re.findall(r"\| `([a-z-]+)` \| (?:drop|pass) \|", part("docs/protocol.md", "makes these checks in this order", "\n\n**Stealth"))
    control = re.findall(r"^\| `([a-z-]+)` \|", part("docs/control.md", "\n### filter\n", "\n### "), re.M)
    program = "".join(f.read_text() for f in sorted(pathlib.Path("bpf").glob("*.bpf.[ch]")))
    left_by = {name.lower().replace("_", "-") for name in re.findall(r"(?:return|count\()\s*XK_(?!RECORD_)([A-Z_]+)\b", program)}

    faults = []
    for what, found in (("JSON (daemon/xdp/maps.cpp)", keys), ("docs/control.md", control)):
        if len(found) != len(set(found)):
            faults.append(f"{what} names an exit twice: {found}")
    if keys != words:
        faults.append(f"JSON has {keys}, bpf/abi.h has {words}")
    for what, found in (("docs/protocol.md", set(order)), ("docs/control.md", set(control)), ("the program", left_by)):
        for word in sorted(set(words) - found):
            faults.append(f"{what} lacks the exit {word}")
        for word in sorted(found - set(words)):
            faults.append(f"{what} has an exit {word} that bpf/abi.h does not know")
    print("\n".join(faults) if faults else f"{len(words)} exits, one word each", file=sys.stderr if faults else sys.stdout)
    return 1 if faults or not words else 0


if __name__ == "__main__":
    sys.exit(main())
