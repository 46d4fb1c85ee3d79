// SPDX-License-Identifier: MIT
//
// Whether anything but knocks may come to the knock port: answers to a connection of this host, or to one that it
// forwarded, whose source port is the same number.
#pragma once

#include "daemon/config/config.h"
#include "tools/knockctl/doctor/finding.h"
#include "tools/knockctl/doctor/listeners.h"

#include <optional>
#include <string>
#include <vector>

namespace xk::tools {

// Finds whether the kernel gives the knock port to connections of its own, by its two switches
// (net.ipv4.ip_local_port_range: "32768\t60999"; ip_local_reserved_ports: "8080,9148-9150"); the hint's command keeps
// what is reserved already. Nothing where the port is never given.
std::optional<Finding> check_reserved(std::uint16_t port, const std::string& range, const std::string& reserved);

void check_knock_port(const config::Config& config, const std::vector<Listener>& listeners, Findings& findings);

} // namespace xk::tools
