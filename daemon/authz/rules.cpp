// SPDX-License-Identifier: MIT
// The rules of may_hold(), in their order.
#include "daemon/authz/rights.h"

namespace xk::authz {
namespace {

using Refusal = std::optional<Reject>;

Refusal refuse_if(bool is_so, Reject reason) { return is_so ? Refusal(reason) : std::nullopt; }

Refusal disabled(const GrantContext& c, Verdict&) { return refuse_if(!c.credential.enabled, Reject::disabled); }

Refusal not_their_mode(const GrantContext& c, Verdict&) {
    return refuse_if(c.way && !c.credential.has_mode(*c.way), Reject::mode);
}

Refusal not_yet_valid(const GrantContext& c, Verdict&) {
    return refuse_if(c.when.wall < c.credential.valid_from, Reject::not_yet_valid);
}
bool has_beginning(const Credential& c) { return c.valid_from != WallTime::min(); }

Refusal expired(const GrantContext& c, Verdict&) {
    return refuse_if(c.when.wall >= c.credential.valid_until, Reject::expired);
}
bool has_end(const Credential& c) { return c.valid_until != WallTime::max(); }

Refusal not_their_hour(const GrantContext& c, Verdict&) {
    return refuse_if(!c.credential.hours.has(c.when.wall), Reject::hours);
}
bool has_hours(const Credential& c) { return c.hours.count != 0; }

// Knocks must come from the user's networks. A caller who does not know the source can only check whether any of the
// user's knocks may open for this address.
Refusal not_their_network(const GrantContext& c, Verdict&) {
    const NetworkList& networks = c.credential.networks;
    if (c.source)
        return refuse_if(networks.count != 0 && !networks.has(*c.source), Reject::network);
    return refuse_if(c.address && !may_open_for(c.credential, *c.address), Reject::network);
}

Refusal banned(const GrantContext& c, Verdict&) {
    const auto is_banned = [&](const std::optional<Address>& address) {
        return address && c.bans->is_banned(*address, c.when.boot);
    };
    return refuse_if(c.bans != nullptr && (is_banned(c.source) || is_banned(c.address)), Reject::banned);
}

// If the policy demands it, the knock must name its address, so that nobody on the path can put in their own.
Refusal names_no_address(const GrantContext& c, Verdict&) {
    return refuse_if(c.mode == AddressMode::source && c.credential.binding == Binding::match, Reject::binding);
}

Refusal comes_from_elsewhere(const GrantContext& c, Verdict&) {
    return refuse_if(c.mode == AddressMode::bound && c.address != c.source, Reject::source);
}

Refusal may_not_delegate(const GrantContext& c, Verdict&) {
    return refuse_if(c.mode == AddressMode::delegated && c.credential.binding != Binding::explicit_,
                     Reject::delegation);
}

Refusal own_address(const GrantContext& c, Verdict&) {
    if (!c.address)
        return std::nullopt;
    const bool own = c.address == c.destination || (c.own != nullptr && c.own->contains(*c.address));
    return refuse_if(own || !c.address->is_grantable(), Reject::own_address);
}

Refusal may_not_delegate_there(const GrantContext& c, Verdict&) {
    const NetworkList& others = c.credential.explicit_networks;
    const bool is_there = c.address && others.has(*c.address);
    return refuse_if(c.source && c.address != c.source && others.count != 0 && !is_there, Reject::delegation);
}

Refusal no_such_service(const GrantContext& c, Verdict& verdict) {
    if (!c.selector)
        return std::nullopt;
    verdict.targets = find_targets(c.policy, c.credential, *c.selector);
    const bool none = verdict.targets.empty();
    return refuse_if(none || (c.is_open && verdict.targets.front().pinholes.front() != c.selector->like),
                     Reject::service);
}

Refusal cannot_be_single_use(const GrantContext& c, Verdict& verdict) {
    return refuse_if(c.single_use &&
                         std::ranges::any_of(verdict.targets,
                                             [&](const Target& target) {
                                                 return !c.policy.services[target.service].can_be_single_use();
                                             }),
                     Reject::unsupported);
}

} // namespace

std::span<const Rule> rules() {
    static constexpr Rule kRules[] = {
        {"the credential is enabled", kOfStatus, disabled},
        {"the user may knock in this way", kOfStatus, not_their_mode},
        {"its dates have begun", kOfTime, not_yet_valid, has_beginning},
        {"its dates are not over", kOfTime, expired, has_end},
        {"it is one of the user's hours", kOfTime, not_their_hour, has_hours},
        {"it comes from one of the user's networks", kOfPlace, not_their_network},
        {"no address is banned", kOfPlace, banned},
        {"the knock names its address where it must", kOfAddress, names_no_address},
        {"the address named is the source", kOfAddress, comes_from_elsewhere},
        {"only some open for others", kOfAddress, may_not_delegate},
        {"the address is not of this host", kOfAddress, own_address},
        {"it may open for this other address", kOfAddress, may_not_delegate_there},
        {"the service is one of the credential's", kOfService, no_such_service},
        {"the service can end with one connection", kOfService, cannot_be_single_use},
    };
    return kRules;
}

} // namespace xk::authz
