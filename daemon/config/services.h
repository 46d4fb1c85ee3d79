// SPDX-License-Identifier: MIT
//
// "services" of the main file: what is shut, and how it opens (docs/configuration.md).
#pragma once

#include "daemon/authz/policy.h"
#include "daemon/config/hooks.h"
#include "protocol/yaml/document.h"

#include <vector>

namespace xk::config {

struct ServiceTable {
    std::vector<authz::Service> services;
    std::vector<ServiceHooks> hooks; // same index
};

// Faults go to the section's own. `knock_port`: no service may have it.
ServiceTable read_services(yaml::Section& main, std::uint16_t knock_port);

// Whether the service needs rules that only our own table has.
bool needs_own_table(const authz::Service& service);

} // namespace xk::config
