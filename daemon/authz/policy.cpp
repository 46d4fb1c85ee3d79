// SPDX-License-Identifier: MIT
#include "daemon/authz/policy.h"

#include <ctime>

namespace xk::authz {

std::vector<Pinhole> Service::pinholes(const Address& source) const {
    if (is_behind() && target_for(source) == Address{})
        return {};
    if (published.port != 0)
        return {Pinhole{source, {}, published}};
    std::vector<Pinhole> pinholes;
    for (const PortRange& range : all_ports())
        pinholes.push_back({source, is_behind() ? target_for(source) : Address{}, range.begin()});
    return pinholes;
}

std::optional<Pinhole> Service::pinhole(const Pinhole& like) const {
    const auto all = pinholes(like.address);
    for (std::size_t i = 0; i < all.size(); ++i) {
        const bool port = published.port != 0 ? published == like.endpoint : ports[i].has(like.endpoint);
        if (port && all[i].target == like.target)
            return all[i];
    }
    return std::nullopt;
}

bool Hours::has(WallTime time) const {
    if (count == 0)
        return true;
    const std::time_t seconds = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
    std::tm local{};
    if (::localtime_r(&seconds, &local) == nullptr)
        return false;
    const int minute = (local.tm_wday * 24 + local.tm_hour) * 60 + local.tm_min;
    return std::any_of(spans, spans + count, [&](const Span& s) { return s.from <= minute && minute < s.until; });
}

void Policy::make_index() {
    by_id_.clear();
    for (std::size_t i = 0; i < credentials.size(); ++i)
        by_id_.emplace_back(credentials[i].id, static_cast<std::uint32_t>(i));
    std::ranges::sort(by_id_);
}

std::optional<std::size_t> Policy::find_credential(const wire::CredentialId& id) const {
    if (by_id_.size() != credentials.size()) {
        const auto found = std::ranges::find(credentials, id, &Credential::id);
        return found == credentials.end() ? std::nullopt
                                          : std::optional(static_cast<std::size_t>(found - credentials.begin()));
    }
    const auto found = std::ranges::lower_bound(by_id_, id, {}, &std::pair<wire::CredentialId, std::uint32_t>::first);
    return found == by_id_.end() || found->first != id ? std::nullopt : std::optional<std::size_t>(found->second);
}

std::vector<Target> find_targets(const Policy& policy, const Credential& credential, const Selector& selector) {
    static const ServiceId all = service_id(kAllServices);
    std::vector<Target> found;
    for (std::size_t i = 0; i < policy.services.size(); ++i) {
        const Service& service = policy.services[i];
        if (!credential.services.test(i))
            continue;
        Target target{i, {}};
        if (selector.service == service.id || selector.service == all)
            target.pinholes = service.pinholes(selector.like.address);
        else if (const auto pinhole = selector.service == 0 ? service.pinhole(selector.like) : std::nullopt)
            target.pinholes = {*pinhole};
        if (!target.pinholes.empty())
            found.push_back(std::move(target));
    }
    return found;
}

bool may_open_for(const Credential& credential, const Address& address) {
    const bool own = credential.networks.count == 0 || credential.networks.has(address);
    const NetworkList& others = credential.explicit_networks;
    return own || (credential.binding == Binding::explicit_ && (others.count == 0 || others.has(address)));
}

std::chrono::seconds grant_lifetime(const Credential& credential, const Service& service, std::uint32_t asked) {
    using std::chrono::seconds;
    const auto first = [](seconds a, seconds b, seconds c) { return a.count() != 0 ? a : b.count() != 0 ? b : c; };
    const seconds standard = first(credential.lifetime, service.lifetime, kDefaultLifetime);
    seconds most = first(credential.max_lifetime, service.max_lifetime, std::max(standard, kDefaultMaxLifetime));
    if (service.max_lifetime.count() != 0)
        most = std::min(most, service.max_lifetime);
    return std::min(asked == 0 ? standard : seconds(asked), most);
}

Credential operators_credential() {
    Credential credential;
    credential.id = kOperator;
    credential.user = Name("operator");
    credential.max_lifetime = std::chrono::hours(24 * 365);
    credential.services.set();
    return credential;
}

std::string_view user_of(const Policy& policy, const wire::CredentialId& credential) {
    if (credential == kOperator)
        return "operator";
    const auto index = policy.find_credential(credential);
    return index ? policy.credentials[*index].user.view() : std::string_view();
}

} // namespace xk::authz
