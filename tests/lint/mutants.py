#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each line of tests/mutants.equal names a change that tests/mutants can make. A line that no longer does is refused: what
it says was said of other code."""
import pathlib
import subprocess
import sys
import tempfile

EQUAL = pathlib.Path("tests/mutants.equal")


def listed(equal):
    done = subprocess.run(["tests/mutants", "--equal", equal, "--list"], capture_output=True, text=True)
    return done.returncode, done.stderr


def main():
    code, faults = listed(EQUAL)
    if code != 0:
        sys.exit(faults)
    good = next(line for line in EQUAL.read_text().splitlines() if not line.startswith("#"))
    file, change, text, why = good.split(" | ")
    for unfit in (f"{file}.gone | {change} | {text} | {why}", f"{file} | no change | {text} | {why}",
                  f"{file} | {change} | {text} // and more | {why}", f"{file} | {change} | {text}"):
        with tempfile.NamedTemporaryFile("w") as equal:
            print(good, unfit, sep="\n", file=equal, flush=True)
            code, faults = listed(equal.name)
        if code == 0 or unfit not in faults or good + "\n" in faults:
            sys.exit(f"tests/mutants does not refuse this line, or says something else:\n{unfit}\n{faults}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
