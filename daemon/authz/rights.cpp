// SPDX-License-Identifier: MIT
#include "daemon/authz/rights.h"

namespace xk::authz {

std::optional<Reject> barred(const Credential& credential, WallTime when) {
    if (!credential.enabled)
        return Reject::disabled;
    if (when < credential.valid_from)
        return Reject::not_yet_valid;
    if (when >= credential.valid_until)
        return Reject::expired;
    if (!credential.hours.has(when))
        return Reject::hours;
    return std::nullopt;
}

std::optional<Reject> barred(const Credential& credential, const Address& address, WallTime when) {
    if (const auto reason = barred(credential, when))
        return reason;
    return may_open_for(credential, address) ? std::nullopt : std::optional(Reject::network);
}

bool is_bound_in_time(const Credential& credential) {
    return credential.valid_from != WallTime::min() || credential.valid_until != WallTime::max() ||
           credential.hours.count != 0;
}

namespace {

std::optional<Credential> find(const Policy& policy, const wire::CredentialId& id) {
    if (id == kOperator)
        return operators_credential();
    const auto index = policy.find_credential(id);
    return index ? std::optional(policy.credentials[*index]) : std::nullopt;
}

bool has_service(const Policy& policy, const Credential& credential, const Pinhole& pinhole) {
    const auto targets = find_targets(policy, credential, {0, pinhole});
    return !targets.empty() && targets.front().pinholes.front() == pinhole;
}

} // namespace

bool is_entitled(const Policy& policy, const wire::CredentialId& id, const Pinhole& pinhole) {
    const auto credential = find(policy, id);
    return credential && credential->enabled && has_service(policy, *credential, pinhole);
}

std::optional<Reject> barred(const Policy& policy, const wire::CredentialId& id, const Pinhole& pinhole,
                             WallTime when) {
    const auto credential = find(policy, id);
    if (!credential)
        return Reject::disabled;
    if (const auto reason = barred(*credential, pinhole.address, when))
        return reason;
    return has_service(policy, *credential, pinhole) ? std::nullopt : std::optional(Reject::service);
}

std::chrono::seconds until_its_end(std::chrono::seconds lifetime, const Credential& credential, WallTime now) {
    using std::chrono::seconds;
    // A later end than any grant's first: the difference to "for ever" does not fit.
    if (credential.valid_until > now + lifetime)
        return lifetime;
    return std::max(std::chrono::floor<seconds>(credential.valid_until - now), seconds(1));
}

} // namespace xk::authz
