// SPDX-License-Identifier: MIT
//
// TakeOver: knocks that another host may have accepted are refused, because what this one remembers does not have them.
// The operator says so, or this machine may be a copy.
#pragma once

#include "daemon/authz/event.h"
#include "daemon/config/machines.h"
#include "daemon/lifecycle/ports.h"

#include <functional>

namespace xk {

// The machine that this configuration's identity was made for. A file that cannot be read, or is somebody else's, says
// nothing for this one.
config::Carrier carrier_of(const config::Config& config);

class TakeOver {
  public:
    // `carrier`: the machine that the identity was made for, by a file that is read at each call.
    TakeOver(WorkerPort& worker, std::function<config::Carrier()> carrier, authz::EventSink& events)
        : worker_(worker), carrier_(std::move(carrier)), events_(events) {}

    // Knocks made up to now, and for the skew from now on, are refused when this returns. `why` is for the event.
    Result<void> raise(const std::string& why, const Now& now);
    // At the start, before the first knock is judged. Nobody is shut out for it: the administrator has to decide what
    // this machine is.
    Result<void> look_for_copies(const Now& now);
    // The firmware has told of an event, and this machine has a generation id.
    Result<void> on_generation(const Now& now);

  private:
    WorkerPort& worker_;
    std::function<config::Carrier()> carrier_;
    authz::EventSink& events_;
};

} // namespace xk
