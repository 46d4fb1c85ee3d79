// SPDX-License-Identifier: MIT
#include "daemon/verbs/open_modes.h"

#include "daemon/authz/sequences.h"
#include "daemon/lifecycle/credential_status.h"
#include "daemon/verbs/reply.h"

#include <cstdint>
#include <string>

namespace xk::verbs {
namespace {

using authz::KnockMode;
using nlohmann::json;

// The UDP port of a mode; 0: it has none, or none is configured.
std::uint16_t port_of(KnockMode mode, const config::Config& config) {
    switch (mode) {
    case KnockMode::packet:
    case KnockMode::handshake:
        return config.port;
    case KnockMode::capyknock:
        return config.capyknock_port;
    case KnockMode::fwknop:
        return config.fwknop_port;
    case KnockMode::sequence:
    case KnockMode::c_lock:
        break;
    }
    return 0;
}

// How many ports a sequence of this mode has; null for the other modes.
json ports_of(KnockMode mode, const authz::Settings& settings) {
    if (mode == KnockMode::sequence)
        return settings.sequence.ports;
    return mode == KnockMode::c_lock ? json(settings.c_lock.ports) : json();
}

// The filter looks for the sequences of all devices that have the mode, so the odds are those of all.
json odds_of(KnockMode mode, const config::Config& config, std::size_t devices) {
    if (mode == KnockMode::sequence)
        return authz::guess_odds(devices, config.policy.settings.sequence.ports);
    if (mode == KnockMode::c_lock)
        return authz::clock_guess_odds(devices, config.c_lock.attempts_per_hour);
    return nullptr;
}

} // namespace

void OpenModes::count(const authz::Credential& credential, const authz::CredentialState& state, const Now& now) {
    const bool may_knock = status_of(credential, state, now) == CredentialStatus::ok;
    const WallTime last{std::chrono::microseconds(state.last_accepted)};
    for (std::size_t i = 0; i < authz::kKnockModes; ++i) {
        if (!credential.has_mode(static_cast<KnockMode>(i)))
            continue;
        ++modes_[i].all;
        if (!may_knock || ++modes_[i].now > kMostNamedDevices)
            continue;
        modes_[i].named.push_back({{"user", std::string(credential.user.view())},
                                   {"device", std::string(credential.device.view())},
                                   {"last_knock", state.last_accepted != 0 ? utc_or_null(last) : json()}});
    }
}

json OpenModes::list(const config::Config& config) const {
    json list = json::array();
    for (std::size_t i = 0; i < authz::kKnockModes; ++i) {
        const auto mode = static_cast<KnockMode>(i);
        const bool is_legacy = mode == KnockMode::capyknock || mode == KnockMode::fwknop;
        const std::uint16_t port = port_of(mode, config);
        if (modes_[i].now == 0 && mode != KnockMode::packet && !(is_legacy && port != 0))
            continue;
        list.push_back({{"mode", std::string(authz::kKnockModeNames[i])},
                        {"port", port != 0 ? json(port) : json()},
                        {"ports", ports_of(mode, config.policy.settings)},
                        {"odds_a_day", odds_of(mode, config, modes_[i].all)},
                        {"devices", modes_[i].now},
                        {"named", modes_[i].named}});
    }
    return list;
}

} // namespace xk::verbs
