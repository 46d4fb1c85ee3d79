// SPDX-License-Identifier: MIT
//
// The verb "grants": lists the open pinholes with their holders and times.
#pragma once

#include "daemon/authz/grant_book.h"
#include "daemon/verbs/sources.h"
#include "daemon/verbs/verb.h"

#include <optional>
#include <string>
#include <vector>

namespace xk::verbs {

struct GrantRow {
    authz::Pinhole pinhole;
    std::string endpoint;               // "tcp/22", "tcp/27015-27030", "tcp/22 of 198.51.100.7"
    std::string service;                // empty where the present configuration has none for this pinhole
    std::vector<authz::Holder> holders; // at least one; the longest comes first
};

class GrantSource {
  public:
    virtual ~GrantSource() = default;
    // Returns the first pinhole after `last` (none: the first of all) whose grant is not over. Returns none after the
    // last one.
    virtual std::optional<GrantRow> find_next_grant(const std::optional<authz::Pinhole>& last, const Now& now) = 0;
};

Table grant_verbs(GrantSource& grants, const ConfigSource& config);

} // namespace xk::verbs
