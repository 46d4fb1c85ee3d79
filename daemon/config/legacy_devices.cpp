// SPDX-License-Identifier: MIT
// People: devices of old clients.
#include "daemon/config/people.h"
#include "protocol/base/quote.h"

#include <algorithm>

namespace xk::config {

Modes legacy_mode_of(authz::DeviceKind kind) {
    Modes mode;
    if (kind == authz::DeviceKind::capyknock)
        mode.set(static_cast<std::size_t>(authz::KnockMode::capyknock));
    if (kind == authz::DeviceKind::fwknop)
        mode.set(static_cast<std::size_t>(authz::KnockMode::fwknop));
    return mode;
}

void People::warn_of_legacy(const std::string& name, const User& user) {
    const Modes without = user.rights.modes & kLegacyModes & ~user.has_legacy;
    for (std::size_t mode = 0; mode < without.size(); ++mode)
        if (without.test(mode))
            config_.warnings.push_back(user.place.text() + ": user " + in_quotes(name) + " has mode " +
                                       std::string(authz::kKnockModeNames[mode]) + ", and no device of that kind");
}

void check_legacy(yaml::Faults& faults, const Config& config) {
    const auto is_fwknop = [](const authz::Credential& c) { return c.legacy.kind == authz::DeviceKind::fwknop; };
    const auto many = static_cast<std::size_t>(std::ranges::count_if(config.policy.credentials, is_fwknop));
    if (many > authz::kMostFwknopDevices)
        faults.add({config.file, 0, 0},
                   std::to_string(many) + " devices are of kind fwknop, and " +
                       std::to_string(authz::kMostFwknopDevices) + " can be",
                   "its packets name no user, so each of them is tried with the keys of all");
}

} // namespace xk::config
