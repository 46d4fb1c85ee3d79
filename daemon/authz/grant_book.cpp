// SPDX-License-Identifier: MIT
#include "daemon/authz/grant_book.h"

#include "daemon/authz/rights.h"

#include <algorithm>
#include <iterator>

namespace xk::authz {
namespace {

bool erase(std::vector<Holder>& holders, const wire::CredentialId& credential) {
    return std::erase_if(holders, [&](const Holder& h) { return h.credential == credential; }) != 0;
}

} // namespace

void put_longest_first(std::vector<Holder>& holders) {
    std::stable_sort(holders.begin(), holders.end(),
                     [](const Holder& a, const Holder& b) { return a.until > b.until; });
    if (holders.size() > kMaxHolders)
        holders.resize(kMaxHolders);
}

PinholeChange GrantBook::plan_open(const Pinhole& pinhole, const Holder& holder) const {
    PinholeChange change{pinhole, {}};
    if (const auto known = grants_.find(pinhole); known != grants_.end())
        change.holders = known->second;
    const auto mine = std::find_if(change.holders.begin(), change.holders.end(),
                                   [&](const Holder& h) { return h.credential == holder.credential; });
    if (mine == change.holders.end()) {
        if (change.holders.size() == kMaxHolders)
            change.holders.pop_back();
        change.holders.push_back(holder);
    } else {
        mine->until = std::max(mine->until, holder.until);
        mine->single = mine->single && holder.single;
    }
    put_longest_first(change.holders);
    return change;
}

std::vector<PinholeChange> GrantBook::plan_close(const Pinhole& pinhole, const wire::CredentialId& credential) const {
    const auto known = grants_.find(pinhole);
    if (known == grants_.end())
        return {};
    PinholeChange change{pinhole, known->second};
    if (!erase(change.holders, credential))
        return {};
    return {change};
}

std::vector<PinholeChange> GrantBook::plan_close_all(const wire::CredentialId& credential) const {
    std::vector<PinholeChange> changes;
    for (const auto& [pinhole, holders] : grants_) {
        PinholeChange change{pinhole, holders};
        if (erase(change.holders, credential))
            changes.push_back(std::move(change));
    }
    return changes;
}

std::vector<PinholeChange> GrantBook::plan_close(const Prefix& prefix) const {
    std::vector<PinholeChange> changes;
    for (const auto& [pinhole, holders] : grants_)
        if (prefix.contains(pinhole.address))
            changes.push_back({pinhole, {}});
    return changes;
}

std::vector<PinholeChange> GrantBook::plan_keep(const Bars& bars) const {
    std::vector<PinholeChange> changes;
    for (const auto& [pinhole, holders] : grants_) {
        std::vector<Holder> left;
        std::copy_if(holders.begin(), holders.end(), std::back_inserter(left),
                     [&, &at = pinhole](const Holder& h) { return !bars(at, h); });
        if (left.size() != holders.size())
            changes.push_back({pinhole, std::move(left)});
    }
    return changes;
}

void GrantBook::note_change(const Pinhole& pinhole, const std::vector<Holder>& before,
                            const std::vector<Holder>& after) {
    const auto has = [](const std::vector<Holder>& holders, const Holder& holder) {
        return std::any_of(holders.begin(), holders.end(),
                           [&](const Holder& h) { return h.credential == holder.credential; });
    };
    for (const Holder& was : before) {
        ends_.erase({was.until, pinhole});
        if (has(after, was))
            continue;
        ended_.push_back({pinhole, was.credential, after.empty()});
        if (const auto held = held_.find(was.credential); --held->second == 0)
            held_.erase(held);
    }
    for (const Holder& is : after) {
        ends_.emplace(is.until, pinhole);
        if (has(before, is))
            continue;
        began_.push_back({pinhole, is.credential});
        ++held_[is.credential];
    }
}

void GrantBook::enter(const std::vector<PinholeChange>& changes) {
    for (const PinholeChange& change : changes) {
        const auto known = grants_.find(change.pinhole);
        note_change(change.pinhole, known != grants_.end() ? known->second : std::vector<Holder>(), change.holders);
        if (!change.holders.empty())
            grants_[change.pinhole] = change.holders;
        else if (known != grants_.end())
            grants_.erase(known);
    }
}

void GrantBook::expire(BootTime now) {
    while (!ends_.empty() && ends_.begin()->first <= now) {
        const auto pinhole = grants_.find(ends_.begin()->second);
        std::vector<Holder> left;
        std::copy_if(pinhole->second.begin(), pinhole->second.end(), std::back_inserter(left),
                     [&](const Holder& h) { return h.until > now; });
        note_change(pinhole->first, pinhole->second, left);
        pinhole->second = std::move(left);
        if (pinhole->second.empty())
            grants_.erase(pinhole);
    }
}

bool GrantBook::would_exceed(const std::vector<Pinhole>& pinholes, const wire::CredentialId& credential,
                             std::size_t max_pinholes) const {
    std::size_t fresh = 0, fresh_for_credential = 0;
    for (const Pinhole& pinhole : pinholes) {
        const auto known = grants_.find(pinhole);
        fresh += known == grants_.end();
        fresh_for_credential +=
            known == grants_.end() || std::none_of(known->second.begin(), known->second.end(),
                                                   [&](const Holder& h) { return h.credential == credential; });
    }
    return grants_.size() + fresh > max_pinholes ||
           (fresh_for_credential > 0 && pinholes_of(credential) + fresh_for_credential > kMaxPinholesOfCredential);
}

namespace {

// The pinholes that a request of this credential means; refused where it may not.
Permit doors_for(const GrantRequest& request, const Policy& policy, const Credential& credential) {
    Permit permit;
    if (!request.address.is_grantable())
        return permit;
    const Wish wish{request.service, {request.address, request.target, request.endpoint}};
    for (const Target& target : find_targets(policy, credential, wish)) {
        const Service& service = policy.services[target.service];
        if (request.single && !service.can_be_single())
            return {};
        for (const Pinhole& pinhole : target.pinholes)
            permit.pinholes.push_back({pinhole, target.service, grant_lifetime(credential, service, request.lifetime),
                                       service.single || request.single});
    }
    if (!permit.pinholes.empty())
        permit.answer = Answer::done;
    return permit;
}

Permit permit_for(const GrantRequest& request, const Ceiling& ceiling, const Credential& credential, const Now& now) {
    Permit permit = doors_for(request, ceiling.policy, credential);
    if (permit.answer != Answer::done)
        return permit;
    if (barred(credential, request.address, now.wall))
        permit.answer = Answer::refused;
    else if (ceiling.own_addresses.count(request.address))
        permit.answer = Answer::own_address;
    else if (ceiling.bans.is_banned(request.address, now.boot))
        permit.answer = Answer::banned;
    else if (ceiling.book.would_exceed(permit.plain(), credential.id, ceiling.max_pinholes))
        permit.answer = Answer::limit;
    for (Permit::One& one : permit.pinholes)
        one.lifetime = until_its_end(one.lifetime, credential, now.wall);
    return permit;
}

} // namespace

std::vector<Pinhole> Permit::plain() const {
    std::vector<Pinhole> all;
    for (const One& one : pinholes)
        all.push_back(one.pinhole);
    return all;
}

Permit permit_close(const GrantRequest& request, const Policy& policy) {
    if (request.credential >= policy.credentials.size())
        return {};
    return doors_for(request, policy, policy.credentials[request.credential]);
}

Permit permit_open(const GrantRequest& request, const Ceiling& ceiling, const Now& now) {
    if (request.credential >= ceiling.policy.credentials.size())
        return {};
    return permit_for(request, ceiling, ceiling.policy.credentials[request.credential], now);
}

Permit permit_operator(const GrantRequest& request, const Ceiling& ceiling, const Now& now) {
    return permit_for(request, ceiling, operators_credential(), now);
}

} // namespace xk::authz
