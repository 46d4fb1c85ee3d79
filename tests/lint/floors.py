#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Includes go down the floors of docs/architecture.md, never up or sideways. The linker says it for calls; this says it
for types too."""
import pathlib
import re
import sys

# Whom the files of a floor may include, beside their own floor. The longest matching path decides.
MAY = {
    "protocol/base": [],
    "protocol/yaml": ["protocol/base"],
    "protocol/cli": ["protocol/base"],
    "protocol/profile": ["protocol", "protocol/base", "protocol/yaml"],
    "protocol": ["protocol/base"],
    "daemon/authz": ["protocol", "protocol/base"],
    "daemon/authz/methods": ["daemon/authz", "daemon/legacy", "protocol", "protocol/base"],
    "daemon/legacy": ["protocol", "protocol/base"],
    "daemon/nft": ["daemon/authz", "protocol", "protocol/base"],
    "daemon/xdp": ["daemon/authz", "protocol", "protocol/base", "bpf/abi.h"],
    "daemon/privsep": ["daemon/authz", "protocol", "protocol/base"],
    "daemon/control": ["protocol/base"],
    "daemon/config": ["daemon/authz", "daemon/legacy/text.h", "protocol", "protocol/base", "protocol/yaml"],
    "daemon/worker": ["daemon/authz", "daemon/legacy/libcrypto.h", "daemon/privsep", "daemon/xdp", "daemon/config", "daemon/log.h", "protocol",
                      "protocol/base"],
    "daemon/hooks": ["daemon/authz", "daemon/privsep", "daemon/log.h", "protocol", "protocol/base"],
    "daemon/grants": ["daemon/authz", "daemon/nft", "daemon/xdp/source_guard.h", "daemon/config", "daemon/log.h",
                      "protocol", "protocol/base"],
    "daemon/bans": ["daemon/authz", "daemon/nft", "daemon/xdp/ban_filter.h", "daemon/config", "daemon/log.h",
                    "daemon/grants", "protocol", "protocol/base"],
    "daemon/events": ["daemon/authz", "daemon/privsep", "daemon/config", "daemon/hooks", "daemon/log.h", "protocol",
                      "protocol/base"],
    "daemon/verbs": ["daemon/authz", "daemon/config", "daemon/control", "daemon/events", "daemon/log.h",
                     "daemon/lifecycle/credential_status.h", "daemon/lifecycle/ssh_caller.h", "daemon/lifecycle/trial.h",
                     "protocol", "protocol/base"],
    "daemon/monitor": ["daemon/authz", "daemon/config", "daemon/events", "daemon/privsep", "daemon/xdp", "daemon/log.h",
                       "protocol", "protocol/base"],
    "daemon/lifecycle": ["daemon/authz", "daemon/nft", "daemon/xdp", "daemon/config", "daemon/log.h", "protocol",
                         "protocol/base"],
    "daemon": ["daemon/authz", "daemon/nft", "daemon/xdp", "daemon/privsep", "daemon/control", "daemon/config",
               "daemon/hooks", "daemon/grants", "daemon/bans", "daemon/events", "daemon/verbs", "daemon/monitor",
               "daemon/lifecycle", "protocol", "protocol/base"],
    "client": ["protocol", "protocol/base", "protocol/cli", "protocol/profile", "protocol/yaml"],
    "client/manual": ["client/command_line.h", "protocol/cli"],
    "tools/knockctl/manual": ["tools/knockctl/command_line.h", "protocol/cli"],
    "tools/knockctl": ["daemon/control", "daemon/lifecycle/ssh_caller.h", "protocol", "protocol/base", "protocol/cli"],
    "tools/knockctl/doctor": ["tools/knockctl", "daemon/config", "daemon/authz", "daemon/nft", "daemon/xdp", "protocol",
                              "protocol/base"],
    "tools/knockctl/host/setup": ["tools/knockctl", "tools/knockctl/host", "tools/knockctl/host/users", "tools/knockctl/doctor",
                                  "daemon/config", "daemon/authz", "daemon/nft", "daemon/xdp",
                                  "daemon/lifecycle/ssh_caller.h", "daemon/lifecycle/trial.h", "protocol", "protocol/base"],
    "tools/knockctl/host": ["tools/knockctl", "tools/knockctl/doctor", "tools/knockctl/host/import",
                            "tools/knockctl/host/setup",
                            "daemon/config", "daemon/authz", "daemon/xdp", "daemon/lifecycle/trial.h", "protocol",
                            "protocol/base", "protocol/profile", "protocol/yaml"],
    "tools/knockctl/host/import": ["tools/knockctl", "tools/knockctl/host", "tools/knockctl/host/users", "daemon/config", "daemon/authz",
                                   "daemon/legacy/text.h", "daemon/xdp", "protocol", "protocol/base", "protocol/yaml"],
}
# Of daemon/lifecycle these are wiring: they join what start, reload and the rest see through interfaces only.
WIRING = {"daemon/lifecycle/" + stem for stem in (
    "copy_writer", "daemon", "early_gate", "filter_slot", "nft_ruleset", "options", "removal", "serve", "ssh_session",
    "startup", "state_files", "tables", "upkeep", "verb_ports", "version", "wiring", "worker_bans", "worker_grants",
    "worker_link")}
MAIN_LINES = 150  # of a main.cpp: it is wiring
SKELETONS = {"knock.skel.h": "daemon/xdp"}


def floor_of(path):
    if path.rsplit(".", 1)[0] in WIRING:
        return "daemon"
    fitting = [f for f in MAY if path == f or path.startswith(f + "/")]
    return max(fitting, key=len, default=None)


def executables():
    """A source that is compiled into an executable is one that no unit test can link."""
    faults, seen = [], 0
    for lists in sorted(file for top in ("daemon", "tools", "client") for file in pathlib.Path(top).rglob("CMakeLists.txt")):
        text = re.sub(r"#.*", "", lists.read_text())
        for call in re.findall(r"add_executable\(([^)]*)\)", text):
            name, *sources = call.split()
            seen += 1
            for file in (lists.parent / source for source in sources):
                if file.name != "main.cpp":
                    faults.append(f"{lists}: {file.name} belongs into a library, not into {name}")
                elif len(file.read_text().splitlines()) > MAIN_LINES:
                    faults.append(f"{file}: more than {MAIN_LINES} lines")
            if re.search(rf"target_sources\(\s*{re.escape(name)}\b", text):
                faults.append(f"{lists}: {name} gets more sources")
    if seen < 6:
        faults.append(f"only {seen} executables found: this test looks at the wrong place")
    for stem in sorted(WIRING):
        if not list(pathlib.Path().glob(stem + ".*")):
            faults.append(f"{stem} is not there")
    return faults


def main():
    faults, seen = [], 0
    for top in ("protocol", "daemon", "client", "tools"):
        for file in sorted(pathlib.Path(top).rglob("*")):
            if file.suffix not in (".h", ".cpp"):
                continue
            floor = floor_of(str(file))
            if floor is None:
                faults.append(f"{file}: belongs to no floor")
                continue
            for number, line in enumerate(file.read_text().splitlines(), 1):
                match = re.match(r'#\s*include\s+"([^"]+)"', line)
                if not match:
                    continue
                seen += 1
                target = match.group(1)
                if target in SKELETONS:
                    if floor != SKELETONS[target]:
                        faults.append(f"{file}:{number}: only {SKELETONS[target]} knows {target}")
                    continue
                if not pathlib.Path(target).is_file():
                    faults.append(f"{file}:{number}: {target} is not a path from the top")
                    continue
                if floor_of(target) != floor and floor_of(target) not in MAY[floor] and target not in MAY[floor]:
                    faults.append(f"{file}:{number}: {floor} may not include {target}")
    for file in sorted(pathlib.Path("bpf").glob("*.[ch]")):
        for line in file.read_text().splitlines():
            match = re.match(r'#\s*include\s+"([^"]+)"', line)
            if match and match.group(1) != "abi.h" and not match.group(1).endswith(".bpf.h"):
                faults.append(f"{file}: includes {match.group(1)}")
    faults += executables()
    if seen < 200:
        faults.append(f"only {seen} includes found: this test looks at the wrong place")
    print("\n".join(faults) or f"{seen} includes")
    return 1 if faults else 0


sys.exit(main())
