// SPDX-License-Identifier: MIT
//
// "services" of the main file: the protected ports, and how they open (docs/configuration.md).
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

// Faults go to the section's list. No service may have one of `knock_ports`, which are UDP; the first is that of
// knocks, and the others are those of old clients.
ServiceTable read_services(yaml::Section& main, const std::vector<std::uint16_t>& knock_ports);

// Whether the service needs rules that only gate mode "table" has.
bool needs_own_table(const authz::Service& service);

} // namespace xk::config
