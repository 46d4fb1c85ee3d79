// SPDX-License-Identifier: MIT
//
// "services" of the main file: what is shut, and how it opens (docs/configuration.md).
#pragma once

#include "daemon/gate/policy.h"
#include "protocol/yaml/document.h"

#include <vector>

namespace xk::config {

// Faults go to the section's own. `knock_port`: no service may have it.
std::vector<gate::Service> read_services(yaml::Section& main, std::uint16_t knock_port);

// Whether the service needs rules that only our own table has.
bool needs_own_table(const gate::Service& service);

} // namespace xk::config
