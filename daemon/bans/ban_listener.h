// SPDX-License-Identifier: MIT
//
// BanListener hears at once of every ban, because it judges by them. In the daemon it is the worker.
#pragma once

#include "protocol/base/address.h"
#include "protocol/base/clock.h"
#include "protocol/base/result.h"

#include <optional>

namespace xk {

class BanListener {
  public:
    virtual ~BanListener() = default;
    // The prefix is banned from now on, until `until` (none: for ever). This replaces an earlier ban of the prefix.
    virtual Result<void> on_banned(const Prefix& prefix, const std::optional<BootTime>& until) = 0;
    virtual Result<void> on_unbanned(const Prefix& prefix) = 0;
};

} // namespace xk
