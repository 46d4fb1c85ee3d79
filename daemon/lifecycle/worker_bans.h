// SPDX-License-Identifier: MIT
//
// WorkerBans sends each ban to the worker at once.
#pragma once

#include "daemon/bans/ban_listener.h"
#include "daemon/monitor/monitor.h"

namespace xk {

class WorkerBans final : public BanListener {
  public:
    // `monitor` may be constructed later, but before the first ban. It must outlive this object.
    explicit WorkerBans(const Monitor& monitor) : monitor_(monitor) {}

    Result<void> on_banned(const Prefix& prefix, const std::optional<BootTime>& until) override;
    Result<void> on_unbanned(const Prefix& prefix) override;

  private:
    const Monitor& monitor_;
};

} // namespace xk
