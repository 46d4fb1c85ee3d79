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

struct ModeDevices {
    std::size_t all = 0, now = 0; // that have the mode; of these, those that may knock now
    json named = json::array();   // the first of those that may knock now
};

ModeDevices devices_of(KnockMode mode, const authz::Policy& policy, const CredentialStates::ByIndex& state_of,
                       const Now& now) {
    ModeDevices devices;
    for (std::size_t i = 0; i < policy.credentials.size(); ++i) {
        const authz::Credential& credential = policy.credentials[i];
        if (!credential.has_mode(mode))
            continue;
        ++devices.all;
        const authz::CredentialState state = state_of(i);
        if (status_of(credential, state, now) != CredentialStatus::ok || ++devices.now > kMostNamedDevices)
            continue;
        const WallTime last{std::chrono::microseconds(state.last_accepted)};
        devices.named.push_back({{"user", std::string(credential.user.view())},
                                 {"device", std::string(credential.device.view())},
                                 {"last_knock", state.last_accepted != 0 ? utc_or_null(last) : json()}});
    }
    return devices;
}

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

json open_modes_json(const config::Config& config, const CredentialStates::ByIndex& state_of, const Now& now) {
    json list = json::array();
    for (std::size_t i = 0; i < authz::kKnockModes; ++i) {
        const auto mode = static_cast<KnockMode>(i);
        ModeDevices devices = devices_of(mode, config.policy, state_of, now);
        const bool is_legacy = mode == KnockMode::capyknock || mode == KnockMode::fwknop;
        const std::uint16_t port = port_of(mode, config);
        if (devices.now == 0 && mode != KnockMode::packet && !(is_legacy && port != 0))
            continue;
        list.push_back({{"mode", std::string(authz::kKnockModeNames[i])},
                        {"port", port != 0 ? json(port) : json()},
                        {"ports", ports_of(mode, config.policy.settings)},
                        {"odds_a_day", odds_of(mode, config, devices.all)},
                        {"devices", devices.now},
                        {"named", std::move(devices.named)}});
    }
    return list;
}

} // namespace xk::verbs
