// SPDX-License-Identifier: MIT
// Names services, ports and pinholes by the present configuration.
#include "daemon/grants/grants.h"

namespace xk {

std::optional<authz::Pinhole> Grants::pinhole_like(const authz::Pinhole& like) const {
    for (const authz::Service& service : config_->policy.services)
        if (const auto pinhole = service.pinhole(like))
            return pinhole;
    return std::nullopt;
}

const authz::Service* Grants::service_of(const authz::Pinhole& pinhole) const {
    for (const authz::Service& service : config_->policy.services)
        if (service.pinhole(pinhole) == pinhole)
            return &service;
    return nullptr;
}

std::optional<PortRange> Grants::range_of(const authz::Pinhole& pinhole) const {
    for (const PortRange& range : config_->ranges())
        if (pinhole.is_local() && range.begin() == pinhole.endpoint)
            return range;
    return std::nullopt;
}

PortRange Grants::ports_of(const authz::Pinhole& pinhole) const {
    return range_of(pinhole).value_or(PortRange::of(pinhole.endpoint));
}

std::string Grants::label_of(const wire::CredentialId& credential) const {
    const auto index = config_->policy.find_credential(credential);
    std::string label =
        index ? config_->policy.credentials[*index].label() : std::string(authz::user_of(config_->policy, credential));
    return label.empty() ? "unknown" : label;
}

std::string Grants::text_of(const authz::Pinhole& pinhole) const {
    const auto range = range_of(pinhole);
    return (range ? range->text() : pinhole.endpoint.text()) +
           (pinhole.is_local() ? "" : " of " + pinhole.target.text());
}

} // namespace xk
