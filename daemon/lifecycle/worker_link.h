// SPDX-License-Identifier: MIT
//
// WorkerLink is the WorkerPort of start, reload and panic (ports.h). It acts through the Monitor.
#pragma once

#include "daemon/lifecycle/ports.h"
#include "daemon/monitor/monitor.h"

namespace xk {

class WorkerLink final : public WorkerPort {
  public:
    explicit WorkerLink(Monitor& monitor) : monitor_(monitor) {}

    Result<void> hand_over(config::Config& next, const config::Config* counts) override;
    Result<void> hand_over_users(config::Config& next, const config::Config& counts,
                                 const std::set<std::string>& users) override;
    void commit(const SharedConfig& handed_over) override { monitor_.commit(handed_over); }
    Result<void> activate() override { return monitor_.activate(); }
    Result<void> wait_for_tags() override { return monitor_.wait_for_tags(); }
    Result<void> set_panic(bool on) override { return monitor_.set_panic(on); }
    Result<void> raise_horizon() override { return monitor_.raise_horizon(); }

  private:
    Monitor& monitor_;
};

} // namespace xk
