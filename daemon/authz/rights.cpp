// SPDX-License-Identifier: MIT
#include "daemon/authz/rights.h"

#include <algorithm>

namespace xk::authz {
namespace {

// Null where nobody has this id.
const Credential* find_holder(const Policy& policy, const wire::CredentialId& id) {
    static const Credential kOperatorHimself = operators_credential();
    if (id == kOperator)
        return &kOperatorHimself;
    const auto index = policy.find_credential(id);
    return index ? &policy.credentials[*index] : nullptr;
}

} // namespace

Verdict may_hold(const GrantContext& context, unsigned aspects) {
    Verdict verdict;
    for (const Rule& rule : rules())
        if ((rule.aspect & aspects) != 0 && (verdict.reason = rule.refuses(context, verdict)))
            break;
    return verdict;
}

Verdict may_keep(const Policy& policy, const wire::CredentialId& id, const Pinhole& pinhole, const Now& when) {
    const Credential* const holder = find_holder(policy, id);
    if (holder == nullptr)
        return {Reject::disabled, {}};
    return may_hold({.policy = policy,
                     .credential = *holder,
                     .when = when,
                     .address = pinhole.address,
                     .selector = Selector{0, pinhole},
                     .is_open = true},
                    kAllAspects);
}

bool is_entitled(const Policy& policy, const wire::CredentialId& id, const Pinhole& pinhole) {
    const Credential* const holder = find_holder(policy, id);
    return holder != nullptr &&
           may_hold({.policy = policy, .credential = *holder, .selector = Selector{0, pinhole}, .is_open = true},
                    kOfStatus | kOfService)
               .is_allowed();
}

bool is_bound_in_time(const Credential& credential) {
    return std::ranges::any_of(rules(), [&](const Rule& rule) {
        return rule.aspect == kOfTime && (rule.binds == nullptr || rule.binds(credential));
    });
}

std::optional<Reject> lapsed(const Policy& policy, const Credential& credential, const Now& when) {
    return may_hold({.policy = policy, .credential = credential, .when = when}, kOfTime).reason;
}

std::chrono::seconds until_its_end(std::chrono::seconds lifetime, const Credential& credential, WallTime now) {
    using std::chrono::seconds;
    // This comparison comes first, because the difference to "for ever" does not fit.
    if (credential.valid_until > now + lifetime)
        return lifetime;
    return std::max(std::chrono::floor<seconds>(credential.valid_until - now), seconds(1));
}

} // namespace xk::authz
