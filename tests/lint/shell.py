#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every shell script passes shellcheck, and no pipe's reader stops early."""
import pathlib
import re
import subprocess
import sys

from checked import Checked, run_all

SHELLCHECK = ["shellcheck", "-x", "-P", "SCRIPTDIR"]
INTERPRETER = re.compile(rb"#!.*[/ ](ba|da)?sh\b")
# Under pipefail a reader that stops early fails the pipeline whenever its writer is slower (SIGPIPE): matches() of
# tests/e2e/lib.sh and "sed -n 1p" read everything. A shell of its own (sh -c) has no pipefail.
STOPS_EARLY = re.compile(r"(^|[^|])\|\s*(grep -[a-zA-Z]*q|head\b)")
HARMLESS = re.compile(r"sh -c|SIGPIPE|^\s*#")


def scripts():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True, check=True)
    for name in sorted(set(listed.stdout.splitlines())):
        path = pathlib.Path(name)
        if path.is_file() and (path.suffix == ".sh" or INTERPRETER.match(path.open("rb").readline())):
            yield name


def early_readers(name):
    text = pathlib.Path(name).read_text()
    if name.startswith("tests/vm/init/") or not re.search(r"pipefail|lib\.sh", text):
        return []
    return [f"{name}:{number}: a pipe's reader stops early: {line.strip()}"
            for number, line in enumerate(text.splitlines(), 1) if STOPS_EARLY.search(line) and not HARMLESS.search(line)]


def main():
    names = list(scripts())
    # What a script may read beside itself: every script that some script reads, and the settings of directories.
    texts = {name: pathlib.Path(name).read_text() for name in names}
    sourced = {pathlib.Path(word).name for text in texts.values()
               for word in re.findall(r"(?m)(?:^\s*\. |source=)\S*?([\w.]+)\"?$", text)}
    shared = [name for name in names if pathlib.Path(name).name in sourced]
    shared += [str(path) for path in pathlib.Path("tests").rglob(".shellcheckrc")]
    checked = Checked("shell", subprocess.run(["shellcheck", "--version"], capture_output=True, text=True, check=True).stdout)

    def check(name):
        if checked.is_good(name, SHELLCHECK):
            return None
        done = subprocess.run(SHELLCHECK + [name], capture_output=True, text=True)
        if done.returncode != 0:
            return done.stdout + done.stderr
        checked.is_good_now(name, SHELLCHECK, [name] + shared)
        return None

    faults = run_all(check, names) + [fault for name in names for fault in early_readers(name)]
    if len(names) < 80 or len(shared) < 3:
        faults.append(f"only {len(names)} scripts found, of which {len(shared)} are read by others")
    print("\n".join(faults) or f"{len(names)} scripts")
    return 1 if faults else 0


sys.exit(main())
