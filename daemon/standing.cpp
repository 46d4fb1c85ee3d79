// SPDX-License-Identifier: MIT
#include "daemon/standing.h"

#include "daemon/gate/lockout.h"
#include "daemon/log.h"

#include <map>
#include <string>
#include <vector>

namespace xk {
namespace {

constexpr std::size_t kNames = 8; // in one line
constexpr std::chrono::days kSoon{7};

std::string joined(const std::vector<std::string>& names) {
    std::string text;
    for (std::size_t i = 0; i < names.size() && i < kNames; ++i)
        text += (i == 0 ? "" : ", ") + names[i];
    if (names.size() > kNames)
        text += " and " + std::to_string(names.size() - kNames) + " more";
    return text;
}

} // namespace

std::string_view name_of(Standing standing) {
    switch (standing) {
    case Standing::ok:
        return "ok";
    case Standing::disabled:
        return "disabled";
    case Standing::not_yet_valid:
        return "not yet valid";
    case Standing::expired:
        return "expired";
    case Standing::locked_for_a_while:
        return "locked for a while";
    case Standing::locked:
        break;
    }
    return "locked";
}

Standing standing_of(const gate::Credential& credential, const gate::CredentialState& state, const Now& now) {
    if (!credential.enabled)
        return Standing::disabled;
    if (now.wall < credential.valid_from)
        return Standing::not_yet_valid;
    if (now.wall >= credential.valid_until)
        return Standing::expired;
    if (!gate::is_locked(state, now.boot))
        return Standing::ok;
    return gate::is_locked_for_good(state) ? Standing::locked : Standing::locked_for_a_while;
}

bool Records::is_at_its_place(const gate::Policy& policy, std::size_t credential, const gate::StateImage& state) const {
    return credential < places_.size() && state.credentials[places_[credential]].id == policy.credentials[credential].id;
}

void Records::find(const gate::Policy& policy, const gate::StateImage& state) {
    places_.resize(policy.credentials.size());
    std::size_t credential = 0;
    while (credential < places_.size() && is_at_its_place(policy, credential, state))
        ++credential;
    if (credential == places_.size())
        return;
    for (std::uint32_t place = 0; place < state.credentials.size(); ++place)
        if (const wire::CredentialId& id = state.credentials[place].id; !all_zero(id))
            if (const auto index = policy.find_credential(id))
                places_[*index] = place;
}

gate::CredentialState Records::of(const gate::Policy& policy, std::size_t credential, const gate::StateImage& state) const {
    return is_at_its_place(policy, credential, state) ? state.credentials[places_[credential]] : gate::CredentialState{};
}

void log_standing(const gate::Policy& policy, Records& records, const gate::StateImage& state, const Now& now) {
    records.find(policy, state);
    std::map<Standing, std::vector<std::string>> kinds;
    std::vector<std::string> soon;
    for (std::size_t i = 0; i < policy.credentials.size(); ++i) {
        const gate::Credential& c = policy.credentials[i];
        const Standing standing = standing_of(c, records.of(policy, i, state), now);
        if (standing != Standing::ok)
            kinds[standing].push_back(c.label());
        if (standing != Standing::disabled && standing != Standing::expired && c.valid_until - now.wall < kSoon)
            soon.push_back(c.label() + " (" + log::utc(c.valid_until) + ")");
    }
    for (const auto& [standing, names] : kinds)
        spdlog::info("may not knock, {}: {}", name_of(standing), joined(names));
    if (!soon.empty())
        spdlog::warn("valid for less than {} days more: {}", kSoon.count(), joined(soon));
}

} // namespace xk
