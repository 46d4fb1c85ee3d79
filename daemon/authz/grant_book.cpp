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

EndCause PinholeChange::cause_for(const wire::CredentialId& credential) const {
    const auto own = causes.find(credential);
    return own == causes.end() ? cause : own->second;
}

PinholeChange GrantBook::plan_open(const Pinhole& pinhole, const Holder& holder) const {
    PinholeChange change{pinhole, {}, EndCause::displaced};
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
        mine->single_use = mine->single_use && holder.single_use;
    }
    put_longest_first(change.holders);
    return change;
}

std::vector<PinholeChange> GrantBook::plan_close(const Pinhole& pinhole, const wire::CredentialId& credential) const {
    const auto known = grants_.find(pinhole);
    if (known == grants_.end())
        return {};
    PinholeChange change{pinhole, known->second, EndCause::by_user};
    if (!erase(change.holders, credential))
        return {};
    return {change};
}

std::vector<PinholeChange> GrantBook::plan_close_all(const wire::CredentialId& credential) const {
    std::vector<PinholeChange> changes;
    for (const auto& [pinhole, holders] : grants_) {
        PinholeChange change{pinhole, holders, EndCause::by_user};
        if (erase(change.holders, credential))
            changes.push_back(std::move(change));
    }
    return changes;
}

std::vector<PinholeChange> GrantBook::plan_close(const Prefix& prefix) const {
    std::vector<PinholeChange> changes;
    for (const auto& [pinhole, holders] : grants_)
        if (prefix.contains(pinhole.address))
            changes.push_back({pinhole, {}, EndCause::by_operator});
    return changes;
}

std::vector<PinholeChange> GrantBook::plan_keep(const Bars& bars) const {
    std::vector<PinholeChange> changes;
    for (const auto& [pinhole, holders] : grants_) {
        PinholeChange change{pinhole, {}};
        for (const Holder& holder : holders)
            if (const EndCause cause = bars(pinhole, holder); cause == EndCause::none)
                change.holders.push_back(holder);
            else
                change.causes.emplace(holder.credential, cause);
        if (change.holders.size() != holders.size())
            changes.push_back(std::move(change));
    }
    return changes;
}

void GrantBook::record_change(const PinholeChange& change, const std::vector<Holder>& before) {
    const auto find = [](const std::vector<Holder>& holders, const Holder& holder) {
        return std::ranges::find(holders, holder.credential, &Holder::credential);
    };
    const std::vector<Holder>& after = change.holders;
    for (const Holder& was : before) {
        ends_.erase({was.until, change.pinhole});
        if (find(after, was) != after.end())
            continue;
        ended_.push_back({change.pinhole, was.credential, after.empty(), change.cause_for(was.credential)});
        if (const auto held = held_.find(was.credential); --held->second == 0)
            held_.erase(held);
    }
    for (const Holder& is : after) {
        ends_.emplace(is.until, change.pinhole);
        if (const auto was = find(before, is); was != before.end()) {
            if (is.until > was->until)
                prolonged_.push_back({change.pinhole, is.credential});
            continue;
        }
        began_.push_back({change.pinhole, is.credential});
        ++held_[is.credential];
    }
}

void GrantBook::enter_changes(const std::vector<PinholeChange>& changes) {
    for (const PinholeChange& change : changes) {
        const auto known = grants_.find(change.pinhole);
        record_change(change, known != grants_.end() ? known->second : std::vector<Holder>());
        if (!change.holders.empty())
            grants_[change.pinhole] = change.holders;
        else if (known != grants_.end())
            grants_.erase(known);
    }
}

void GrantBook::expire(BootTime now) {
    while (!ends_.empty() && ends_.begin()->first <= now) {
        const auto pinhole = grants_.find(ends_.begin()->second);
        PinholeChange change{pinhole->first, {}, EndCause::expired};
        std::copy_if(pinhole->second.begin(), pinhole->second.end(), std::back_inserter(change.holders),
                     [&](const Holder& h) { return h.until > now; });
        record_change(change, pinhole->second);
        pinhole->second = std::move(change.holders);
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

GrantContext context_of(const GrantRequest& request, const Policy& policy, const Credential& credential) {
    return {.policy = policy,
            .credential = credential,
            .address = request.address,
            .selector = Selector{request.service, {request.address, request.target, request.endpoint}},
            .single_use = request.single_use};
}

Answer answer_of(const GrantRequest& request, Reject reason) {
    if (reason == Reject::own_address && request.address.is_grantable())
        return Answer::own_address;
    return reason == Reject::banned ? Answer::banned : Answer::refused;
}

// The pinholes that the verdict found, or why there are none.
Permit permit_of(const GrantRequest& request, const GrantContext& context, const Verdict& verdict) {
    Permit permit;
    if (!verdict.is_allowed()) {
        permit.answer = answer_of(request, *verdict.reason);
        return permit;
    }
    for (const Target& target : verdict.targets) {
        const Service& service = context.policy.services[target.service];
        for (const Pinhole& pinhole : target.pinholes)
            permit.pinholes.push_back({pinhole, target.service,
                                       grant_lifetime(context.credential, service, request.lifetime),
                                       service.single_use || request.single_use});
    }
    permit.answer = Answer::done;
    return permit;
}

Permit permit_for(const GrantRequest& request, const Ceiling& ceiling, const Credential& credential, const Now& now) {
    GrantContext context = context_of(request, ceiling.policy, credential);
    context.when = now;
    context.own = &ceiling.own_addresses;
    context.bans = &ceiling.bans;
    Permit permit = permit_of(request, context, may_hold(context, kAllAspects));
    if (permit.answer == Answer::done && ceiling.book.would_exceed(permit.plain(), credential.id, ceiling.max_pinholes))
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
    const GrantContext context = context_of(request, policy, policy.credentials[request.credential]);
    return permit_of(request, context, may_hold(context, kToClose));
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
