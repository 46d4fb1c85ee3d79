// SPDX-License-Identifier: MIT
//
// knockctl identity: which machine this server's identity belongs to, when a copy of it was found.
#pragma once

#include <string>

namespace xk::tools {

// Adds this machine to those that may carry the identity.
int keep_identity(const std::string& config_file, bool as_json);
// Gives this machine an identity of its own. Devices stay; their profiles need the new server_id.
int make_new_identity(const std::string& config_file, bool as_json);

} // namespace xk::tools
