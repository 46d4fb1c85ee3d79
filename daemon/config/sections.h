// SPDX-License-Identifier: MIT
//
// The sections of the main file, each read by a source of its own. Faults go to the section's own, and reading goes on,
// so that all of them are found at once. Each function takes its key out of `main` and writes what it found into the
// configuration; where the key is absent, the defaults stay.
#pragma once

#include "daemon/config/hooks.h"
#include "protocol/yaml/document.h"

namespace xk::config {

struct Config;

void read_interfaces(yaml::Section& main, Config& config);
void read_clock_skew(yaml::Section& main, Config& config);
void read_xdp(yaml::Section& main, Config& config);
void read_gate(yaml::Section& main, Config& config); // after the services, which a mode may not be able to do
void read_control(yaml::Section& main, Config& config);
void read_paths(yaml::Section& main, Config& config);

// False where one of the accounts is not known: then it is not known who may read secrets either.
bool read_process(yaml::Section& main, Config& config);

// "hooks" of the main file. What it is compared with, the other users and the groups, has been read before.
void read_hooks(yaml::Section& main, Config& config);

// "on_open" and "on_close" of a service's mapping.
ServiceHooks read_service_hooks(yaml::Section& service);

// "stealth" of the main file or the gate: whether a port is to answer as a closed one does.
bool read_stealth(yaml::Section& section);

} // namespace xk::config
