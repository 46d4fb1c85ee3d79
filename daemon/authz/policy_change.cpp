// SPDX-License-Identifier: MIT
#include "daemon/authz/policy_change.h"

namespace xk::authz {
namespace {

Credential empty_place() {
    Credential nobody;
    nobody.enabled = false;
    return nobody;
}

} // namespace

bool is_sound(const PolicyChange& change) {
    const std::uint32_t ports = change.settings.sequence.ports;
    const std::uint32_t clock_ports = change.settings.c_lock.ports;
    if (change.places > kMaxCredentials || ports < sequence::kFewestStrongPorts || ports > sequence::kMostPorts ||
        clock_ports < sequence::kClockPorts || clock_ports > sequence::kMostPorts)
        return false;
    std::vector<bool> named(change.places);
    const auto name = [&](std::uint32_t place) {
        if (place >= named.size() || named[place])
            return false;
        return static_cast<bool>(named[place] = true);
    };
    for (const PlacedCredential& placed : change.changed)
        if (is_empty_place(placed.credential) || !name(placed.place))
            return false;
    for (const std::uint32_t place : change.emptied)
        if (!name(place))
            return false;
    return true;
}

void apply(PolicyChange change, Policy& policy) {
    policy.settings = change.settings;
    policy.services = std::move(change.services);
    policy.credentials.resize(change.places, empty_place());
    for (const PlacedCredential& placed : change.changed)
        policy.credentials[placed.place] = placed.credential;
    for (const std::uint32_t place : change.emptied)
        policy.credentials[place] = empty_place();
}

} // namespace xk::authz
