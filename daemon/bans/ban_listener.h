// SPDX-License-Identifier: MIT
//
// BanListener: whoever has to know at once who is banned, because they judge by it. The daemon's is the worker.
#pragma once

#include "protocol/base/address.h"
#include "protocol/base/clock.h"
#include "protocol/base/result.h"

#include <optional>

namespace xk {

class BanListener {
  public:
    virtual ~BanListener() = default;
    // From now on, until then (none: for ever). Replaces what was said of this prefix before.
    virtual Result<void> on_banned(const Prefix& prefix, const std::optional<BootTime>& until) = 0;
    virtual Result<void> on_unbanned(const Prefix& prefix) = 0;
};

} // namespace xk
