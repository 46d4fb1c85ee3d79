// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/take_over.h"

#include "daemon/lifecycle/own_event.h"
#include "daemon/log.h"

namespace xk {

config::Carrier carrier_of(const config::Config& config) {
    const auto carrier = config::find_carrier(config::directory_of(config.file), config.policy.settings.server);
    return carrier ? *carrier : config::Carrier::another;
}

Result<void> TakeOver::raise(const std::string& why, const Now& now) {
    auto raised = worker_.raise_horizon();
    if (raised)
        events_.on_event(event_of(authz::EventKind::taken_over, now, why));
    return raised;
}

Result<void> TakeOver::look_for_copies(const Now& now) {
    if (carrier_() != config::Carrier::another)
        return {};
    log::error(
        "this server's identity was made for another machine: this one is a copy, or has a copy of its "
        "configuration. Knocks that the other one accepted are not known here, and those made up to now are "
        "refused. \"knockctl identity new\" gives this machine its own identity, \"knockctl identity keep\" says "
        "that it may carry this one");
    return raise("the identity was made for another machine", now);
}

// State::follow_wall_clock() does not notice every snapshot: the clock may be right already, or may be set in small
// steps.
Result<void> TakeOver::on_generation(const Now& now) {
    log::warn(
        "this virtual machine may go on from a snapshot, or be a copy (its firmware reports an event, and it has a "
        "generation id); knocks made up to now are refused");
    return raise("this virtual machine may go on from a snapshot", now);
}

} // namespace xk
