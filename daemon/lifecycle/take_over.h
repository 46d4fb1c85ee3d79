// SPDX-License-Identifier: MIT
//
// TakeOver refuses knocks that another host may have accepted, because this host's memory does not have them. It does
// so on request of the operator, and when this machine may be a copy.
#pragma once

#include "daemon/authz/event.h"
#include "daemon/config/machines.h"
#include "daemon/lifecycle/ports.h"

#include <functional>

namespace xk {

// Returns whether this configuration's identity was made for this machine. If the file about that cannot be read, the
// result is "another machine".
config::Carrier carrier_of(const config::Config& config);

class TakeOver {
  public:
    // `carrier` reads the file about the identity's machine at each call.
    TakeOver(WorkerPort& worker, std::function<config::Carrier()> carrier, authz::EventSink& events)
        : worker_(worker), carrier_(std::move(carrier)), events_(events) {}

    // When this returns, knocks made before now + skew are refused. `why` is for the event.
    Result<void> raise(const std::string& why, const Now& now);
    // Called at the start, before the first knock is judged. If this machine may be a copy, it calls raise(). Later
    // knocks are accepted all the same, because only the administrator knows whether this machine is a copy.
    Result<void> look_for_copies(const Now& now);
    // Called when the firmware has sent an event and this machine has a generation id (generation.h).
    Result<void> on_generation(const Now& now);

  private:
    WorkerPort& worker_;
    std::function<config::Carrier()> carrier_;
    authz::EventSink& events_;
};

} // namespace xk
