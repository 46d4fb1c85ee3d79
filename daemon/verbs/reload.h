// SPDX-License-Identifier: MIT
//
// The verb "reload": another configuration counts, or an error says why not.
#pragma once

#include "daemon/verbs/sources.h"
#include "daemon/verbs/verb.h"

#include <string>
#include <vector>

namespace xk::verbs {

class Reloader {
  public:
    virtual ~Reloader() = default;
    // Where it fails the configuration of before counts.
    virtual Result<void> reload_config() = 0;
    // A line for each interface that has no filter.
    virtual std::vector<std::string> interface_warnings() const = 0;
};

Table reload_verbs(Reloader& reloader, const ConfigSource& config);

} // namespace xk::verbs
