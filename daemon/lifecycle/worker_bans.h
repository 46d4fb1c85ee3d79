// SPDX-License-Identifier: MIT
//
// WorkerBans: tells the worker at once who is banned, by messages.
#pragma once

#include "daemon/bans/ban_listener.h"
#include "daemon/monitor/monitor.h"

namespace xk {

class WorkerBans final : public BanListener {
  public:
    // The monitor must be there before anybody is banned, and as long.
    explicit WorkerBans(const Monitor& monitor) : monitor_(monitor) {}

    Result<void> on_banned(const Prefix& prefix, const std::optional<BootTime>& until) override;
    Result<void> on_unbanned(const Prefix& prefix) override;

  private:
    const Monitor& monitor_;
};

} // namespace xk
