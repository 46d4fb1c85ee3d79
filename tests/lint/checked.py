# SPDX-License-Identifier: MIT
"""What a slow check found good is not checked again as long as nothing that it read has changed: the command, the file,
and every file that this one includes. Kept in the build tree, one small file for each name."""
import concurrent.futures
import functools
import hashlib
import json
import os
import pathlib
import shlex
import subprocess

BUILD = pathlib.Path(os.environ["XK_BUILD"])


def commands(build=BUILD):
    """The build's compile commands, by the source's path from the top."""
    found = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        words = shlex.split(entry["command"])
        if "ccache" in os.path.basename(words[0]):
            words = words[1:]
        found[os.path.relpath(entry["file"])] = (words, entry["directory"])
    return found


@functools.lru_cache(maxsize=None)
def fingerprint(path):
    """Of our own files what is in them; of the system's, size and time."""
    try:
        if path.startswith("/usr/"):
            status = os.stat(path)
            return f"{status.st_size} {status.st_mtime_ns}"
        return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()
    except OSError:
        return None


def named_in(rule, directory):
    """The files that a rule of make names, as the compiler writes it (-M)."""
    return [os.path.realpath(os.path.join(directory, name)) for name in shlex.split(rule.replace("\\\n", " "))[1:]]


def read_by(words, directory):
    """The files that this compile command reads."""
    done = subprocess.run(words[:words.index("-o")] + ["-M", words[-1]], cwd=directory, capture_output=True, text=True, check=True)
    return named_in(done.stdout, directory)



class Checked:
    def __init__(self, name, *versions):
        """`versions`: whatever else the result depends on, such as a tool's version and its settings."""
        self.directory = BUILD / "lint" / name
        self.directory.mkdir(parents=True, exist_ok=True)
        self.versions = list(versions)

    def _record(self, name):
        return self.directory / name.replace("/", "%")

    def is_good(self, name, words):
        try:
            record = json.loads(self._record(name).read_text())
        except (OSError, ValueError):
            return False
        return record["of"] == self.versions + words and all(
            fingerprint(path) == print_ for path, print_ in record["read"].items())

    def is_good_now(self, name, words, files):
        record = {"of": self.versions + words, "read": {path: fingerprint(path) for path in files}}
        part = self._record(name).with_suffix(".part")
        part.write_text(json.dumps(record))
        part.rename(self._record(name))


def run_all(check, names):
    """check(name) for all of them, as many at a time as there are processors; what they say of faults, in order."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return [fault for fault in pool.map(check, names) if fault]
