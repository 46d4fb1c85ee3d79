// SPDX-License-Identifier: MIT
//
// TakeOver: refuses knocks that another host may have accepted, because this host's memory does not have them. The
// operator orders it, or this machine may be a copy.
#pragma once

#include "daemon/authz/event.h"
#include "daemon/config/machines.h"
#include "daemon/lifecycle/ports.h"

#include <functional>

namespace xk {

// Tells whether this configuration's identity was made for this machine. A file that cannot be read counts as another
// machine's.
config::Carrier carrier_of(const config::Config& config);

class TakeOver {
  public:
    // `carrier` reads the file about the identity's machine at each call.
    TakeOver(WorkerPort& worker, std::function<config::Carrier()> carrier, authz::EventSink& events)
        : worker_(worker), carrier_(std::move(carrier)), events_(events) {}

    // When it returns, knocks made up to now are refused, and for the length of the skew new ones too. `why` is for the
    // event.
    Result<void> raise(const std::string& why, const Now& now);
    // At the start, before the first knock is judged. New knocks of a copy are still accepted: the administrator has to
    // decide what this machine is.
    Result<void> look_for_copies(const Now& now);
    // The firmware has sent an event, and this machine has a generation id (generation.h).
    Result<void> on_generation(const Now& now);

  private:
    WorkerPort& worker_;
    std::function<config::Carrier()> carrier_;
    authz::EventSink& events_;
};

} // namespace xk
