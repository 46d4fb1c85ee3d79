// SPDX-License-Identifier: MIT
//
// The verb "open": opens a grant of the operator.
#pragma once

#include "daemon/authz/firewall.h"
#include "daemon/verbs/sources.h"
#include "daemon/verbs/verb.h"

#include <chrono>
#include <optional>
#include <string>

namespace xk::verbs {

class GrantOpener {
  public:
    virtual ~GrantOpener() = default;
    virtual bool is_dry_run() const = 0;
    struct Opened {
        authz::Answer answer = authz::Answer::failed;
        std::string service; // names, separated by commas
        std::chrono::seconds lifetime{0};
        std::optional<Error> error; // why the answer is `failed`
    };
    // Checks everything that is checked for a user's request, except the user's rights.
    virtual Opened open_for_operator(const authz::GrantRequest& request, const Now& now) = 0;
};

Table open_verbs(GrantOpener& opener, const ConfigSource& config);

} // namespace xk::verbs
