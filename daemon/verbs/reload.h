// SPDX-License-Identifier: MIT
//
// The verb "reload": reads the configuration again.
#pragma once

#include "daemon/verbs/sources.h"
#include "daemon/verbs/verb.h"

#include <string>
#include <vector>

namespace xk::verbs {

class Reloader {
  public:
    virtual ~Reloader() = default;
    // After an error the earlier configuration still counts.
    virtual Result<void> reload_config() = 0;
    // One line for each interface without the filter.
    virtual std::vector<std::string> interface_warnings() const = 0;
};

Table reload_verbs(Reloader& reloader, const ConfigSource& config);

} // namespace xk::verbs
