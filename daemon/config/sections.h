// SPDX-License-Identifier: MIT
//
// The sections of the main file. Each function reads its key of `main` into the configuration; without the key the
// defaults stay. Faults go to the section's list, and reading continues, so that all faults are found at once.
#pragma once

#include "daemon/config/hooks.h"
#include "protocol/yaml/document.h"

namespace xk::config {

struct Config;

void read_interfaces(yaml::Section& main, Config& config);
void read_clock_skew(yaml::Section& main, Config& config);
void read_xdp(yaml::Section& main, Config& config);
void read_legacy(yaml::Section& main, Config& config);   // before the services, which may not have these ports
void read_gate(yaml::Section& main, Config& config);     // after the services: it checks that the mode can do them
void read_sequence(yaml::Section& main, Config& config); // after the services
void read_c_lock(yaml::Section& main, Config& config);   // likewise
// Faults where too many credentials have the mode, and where somebody who sends to ports at random has better odds than
// the configuration accepts. Call it when the credentials are read.
void check_sequences(yaml::Faults& faults, const Config& config);
void check_handshakes(yaml::Faults& faults, const Config& config);
// Warns of ways of knocking of which a part is missing: a listener, a device, or a service. Call it likewise.
void warn_of_half_modes(Config& config);
void read_control(yaml::Section& main, Config& config);
void read_paths(yaml::Section& main, Config& config);

// False: one of the accounts does not exist, so nobody knows who may read secrets.
bool read_process(yaml::Section& main, Config& config);

// "hooks" of the main file. Call it after read_process() and read_control(), because it compares with their users and
// groups.
void read_hooks(yaml::Section& main, Config& config);

// "on_open" and "on_close" of a service's mapping.
ServiceHooks read_service_hooks(yaml::Section& service);

// "stealth" of the main file or the gate: true if ports answer as closed ones do.
bool read_stealth(yaml::Section& section);

} // namespace xk::config
