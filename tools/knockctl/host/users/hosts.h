// SPDX-License-Identifier: MIT
//
// Checks the names and addresses by which a profile's user reaches this server.
#pragma once

#include "protocol/base/result.h"

#include <string>
#include <vector>

namespace xk::tools {

// A name (RFC 1123, section 2.1, and "_") or an address. Each usual mistake has a message of its own: an URL, a port, a
// login, a network, blanks. `option` names the option in it.
Result<void> check_host(const std::string& host, const std::string& option);
Result<void> check_hosts(const std::vector<std::string>& hosts, const std::string& server);

} // namespace xk::tools
