// SPDX-License-Identifier: MIT
//
// WorkerBans: tells the worker at once who is banned, by messages.
#pragma once

#include "daemon/bans/ban_listener.h"
#include "daemon/privsep/channel.h"

namespace xk {

class WorkerBans final : public BanListener {
  public:
    // The channel must outlive it.
    explicit WorkerBans(const privsep::Channel& worker) : worker_(worker) {}

    Result<void> on_banned(const Prefix& prefix, const std::optional<BootTime>& until) override;
    Result<void> on_unbanned(const Prefix& prefix) override;

  private:
    const privsep::Channel& worker_;
};

} // namespace xk
