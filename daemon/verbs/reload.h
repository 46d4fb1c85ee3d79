// SPDX-License-Identifier: MIT
//
// The verb "reload": reads the configuration again, or the files of some users alone.
#pragma once

#include "daemon/verbs/sources.h"
#include "daemon/verbs/verb.h"

#include <set>
#include <string>
#include <vector>

namespace xk::verbs {

class Reloader {
  public:
    virtual ~Reloader() = default;
    // After an error the earlier configuration still counts.
    virtual Result<void> reload_config() = 0;
    // Reads the files of these users alone again. After an error the earlier configuration still counts.
    virtual Result<void> reload_users(const std::set<std::string>& users) = 0;
    // One line for each interface without the filter.
    virtual std::vector<std::string> interface_warnings() const = 0;
};

Table reload_verbs(Reloader& reloader, const ConfigSource& config);

} // namespace xk::verbs
