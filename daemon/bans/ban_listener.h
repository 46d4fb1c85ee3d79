// SPDX-License-Identifier: MIT
//
// BanListener is notified of every ban at once, because it judges knocks by the bans. In the daemon it is the worker.
#pragma once

#include "protocol/base/address.h"
#include "protocol/base/clock.h"
#include "protocol/base/result.h"

#include <optional>

namespace xk {

class BanListener {
  public:
    virtual ~BanListener() = default;
    // The prefix is banned from now on and until `until` (none: for ever). This replaces an earlier ban of the prefix.
    virtual Result<void> on_banned(const Prefix& prefix, const std::optional<BootTime>& until) = 0;
    virtual Result<void> on_unbanned(const Prefix& prefix) = 0;
};

} // namespace xk
