// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/credential_status.h"

#include "daemon/authz/lockout.h"
#include "daemon/log.h"

#include <map>
#include <string>
#include <vector>

namespace xk {
namespace {

constexpr std::size_t kNames = 8; // in one line of the log
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

std::string_view name_of(CredentialStatus status) {
    switch (status) {
    case CredentialStatus::ok:
        return "ok";
    case CredentialStatus::disabled:
        return "disabled";
    case CredentialStatus::not_yet_valid:
        return "not yet valid";
    case CredentialStatus::expired:
        return "expired";
    case CredentialStatus::locked_for_a_while:
        return "locked for a while";
    case CredentialStatus::locked:
        break;
    }
    return "locked";
}

CredentialStatus status_of(const authz::Credential& credential, const authz::CredentialState& state, const Now& now) {
    if (!credential.enabled)
        return CredentialStatus::disabled;
    if (now.wall < credential.valid_from)
        return CredentialStatus::not_yet_valid;
    if (now.wall >= credential.valid_until)
        return CredentialStatus::expired;
    if (!authz::is_locked(state, now.boot))
        return CredentialStatus::ok;
    return authz::is_locked_for_good(state) ? CredentialStatus::locked : CredentialStatus::locked_for_a_while;
}

bool Records::is_at_its_place(const authz::Policy& policy, std::size_t credential,
                              const authz::StateImage& state) const {
    return credential < places_.size() &&
           state.credentials[places_[credential]].id == policy.credentials[credential].id;
}

void Records::find(const authz::Policy& policy, const authz::StateImage& state) {
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

authz::CredentialState Records::of(const authz::Policy& policy, std::size_t credential,
                                   const authz::StateImage& state) const {
    return is_at_its_place(policy, credential, state) ? state.credentials[places_[credential]]
                                                      : authz::CredentialState{};
}

void log_statuses(const authz::Policy& policy, Records& records, const authz::StateImage& state, const Now& now) {
    records.find(policy, state);
    std::map<CredentialStatus, std::vector<std::string>> kinds;
    std::vector<std::string> soon;
    for (std::size_t i = 0; i < policy.credentials.size(); ++i) {
        const authz::Credential& c = policy.credentials[i];
        const CredentialStatus status = status_of(c, records.of(policy, i, state), now);
        if (status != CredentialStatus::ok)
            kinds[status].push_back(c.label());
        if (status != CredentialStatus::disabled && status != CredentialStatus::expired &&
            c.valid_until - now.wall < kSoon)
            soon.push_back(c.label() + " (" + log::utc(c.valid_until) + ")");
    }
    for (const auto& [status, names] : kinds)
        log::info("may not knock, {}: {}", name_of(status), joined(names));
    if (!soon.empty())
        log::warn("valid for less than {} days more: {}", kSoon.count(), joined(soon));
}

} // namespace xk
