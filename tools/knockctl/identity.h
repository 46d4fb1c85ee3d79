// SPDX-License-Identifier: MIT
//
// knockctl identity: which machine this server's identity belongs to, when a copy of it was found.
#pragma once

#include <string>

namespace xk::tools {

// This machine may carry the identity; the others that may stay as they are.
int keep_identity(const std::string& config_file, bool as_json);
// This machine gets an identity of its own. Devices stay; their profiles want the new server_id.
int make_new_identity(const std::string& config_file, bool as_json);

} // namespace xk::tools
