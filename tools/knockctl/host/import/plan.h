// SPDX-License-Identifier: MIT
//
// Joins what another server had with this configuration: names of users, services for its ports, listeners.
#pragma once

#include "daemon/config/config.h"
#include "tools/knockctl/host/import/main_file.h"
#include "tools/knockctl/host/import/old_server.h"
#include "tools/knockctl/import_options.h"

#include <set>
#include <string>
#include <vector>

namespace xk::tools::takeover {

struct Plan {
    OldServer server; // its devices are those to be made: each has its user's name and services
    Additions additions;
    std::vector<std::string> exists; // users, devices or listeners that are there already: nothing is written then

    std::string what_shuts() const; // "ssh (tcp/22), ...": new services
};

// An error where an option makes no sense with this file. `own`: addresses of this host; empty where nobody knows.
Result<Plan> make_plan(OldServer server, const config::Config& config, const ImportOptions& options,
                       const std::set<Address>& own);

// A name for a user, made of another program's text. Empty where nothing of it can be in a name.
std::string as_name(std::string_view text);

} // namespace xk::tools::takeover
