// SPDX-License-Identifier: MIT
// Knocks that another host may have accepted: what this one remembers does not have them.
#include "daemon/lifecycle/daemon.h"

#include "daemon/log.h"

namespace xk {

Result<void> Daemon::take_over() { return monitor_.raise_horizon(); }

// A file that cannot be read, or is somebody else's, says nothing for this machine.
config::Carrier Daemon::carrier() const {
    const auto carrier = config::find_carrier(config::directory_of(config().file), config().policy.settings.server);
    return carrier ? *carrier : config::Carrier::another;
}

// Before the first knock is judged. Nobody is shut out for it: the one who runs this machine has to decide what it is.
Result<void> Daemon::look_for_copies() {
    if (carrier() != config::Carrier::another)
        return {};
    spdlog::error(
        "this server's identity was made for another machine: this one is a copy, or has a copy of its "
        "configuration. Knocks that the other one accepted are not known here, and those made up to now are "
        "refused. \"knockctl identity new\" gives this machine its own identity, \"knockctl identity keep\" says "
        "that it may carry this one");
    return take_over();
}

// The clock may be right already, or be set by so little at a time that it does not say so (State::follow_wall_clock).
void Daemon::notice_generation() {
    if (!generation_of_machine_.may_have_changed())
        return;
    spdlog::warn(
        "this virtual machine may go on from a snapshot, or be a copy (its firmware reports an event, and it has a "
        "generation id); knocks made up to now are refused");
    if (auto done = take_over(); !done)
        fail(done.error());
}

} // namespace xk
