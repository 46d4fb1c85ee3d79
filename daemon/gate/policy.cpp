// SPDX-License-Identifier: MIT
#include "daemon/gate/policy.h"

namespace xk::gate {

std::optional<Target> find_target(const Policy& policy, const Credential& credential,
                                  ServiceId service, const Endpoint& endpoint) {
    for (std::size_t i = 0; i < policy.services.size(); ++i) {
        const Service& candidate = policy.services[i];
        if (!credential.services.test(i))
            continue;
        if (service != 0 && candidate.id == service)
            return Target{i, {candidate.endpoints, candidate.endpoints + candidate.endpoint_count}};
        if (service == 0 && candidate.has(endpoint))
            return Target{i, {endpoint}};
    }
    return std::nullopt;
}

std::chrono::seconds grant_lifetime(const Credential& credential, std::uint32_t asked) {
    const auto wanted = asked == 0 ? credential.lifetime : std::chrono::seconds(asked);
    return std::min(wanted, credential.max_lifetime);
}

Credential operators_credential() {
    Credential credential;
    credential.id = kOperator;
    credential.user = Name("operator");
    credential.max_lifetime = std::chrono::hours(24 * 365);
    credential.services.set();
    return credential;
}

} // namespace xk::gate
