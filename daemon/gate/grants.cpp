// SPDX-License-Identifier: MIT
#include "daemon/gate/grants.h"

#include "daemon/gate/rights.h"

#include <algorithm>
#include <iterator>

namespace xk::gate {
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

DoorChange GrantBook::plan_open(const Door& door, const Holder& holder) const {
    DoorChange change{door, {}};
    if (const auto known = doors_.find(door); known != doors_.end())
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

std::vector<DoorChange> GrantBook::plan_close(const Door& door,
                                              const wire::CredentialId& credential) const {
    const auto known = doors_.find(door);
    if (known == doors_.end())
        return {};
    DoorChange change{door, known->second};
    if (!erase(change.holders, credential))
        return {};
    return {change};
}

std::vector<DoorChange> GrantBook::plan_close_all(const wire::CredentialId& credential) const {
    std::vector<DoorChange> changes;
    for (const auto& [door, holders] : doors_) {
        DoorChange change{door, holders};
        if (erase(change.holders, credential))
            changes.push_back(std::move(change));
    }
    return changes;
}

std::vector<DoorChange> GrantBook::plan_close(const Prefix& prefix) const {
    std::vector<DoorChange> changes;
    for (const auto& [door, holders] : doors_)
        if (prefix.contains(door.address))
            changes.push_back({door, {}});
    return changes;
}

std::vector<DoorChange> GrantBook::plan_keep(const Bars& bars) const {
    std::vector<DoorChange> changes;
    for (const auto& [door, holders] : doors_) {
        std::vector<Holder> left;
        std::copy_if(holders.begin(), holders.end(), std::back_inserter(left),
                     [&, &at = door](const Holder& h) { return !bars(at, h); });
        if (left.size() != holders.size())
            changes.push_back({door, std::move(left)});
    }
    return changes;
}

void GrantBook::note_change(const Door& door, const std::vector<Holder>& before, const std::vector<Holder>& after) {
    const auto has = [](const std::vector<Holder>& holders, const Holder& holder) {
        return std::any_of(holders.begin(), holders.end(),
                           [&](const Holder& h) { return h.credential == holder.credential; });
    };
    for (const Holder& was : before) {
        ends_.erase({was.until, door});
        if (has(after, was))
            continue;
        ended_.push_back({door, was.credential, after.empty()});
        if (const auto held = held_.find(was.credential); --held->second == 0)
            held_.erase(held);
    }
    for (const Holder& is : after) {
        ends_.emplace(is.until, door);
        if (has(before, is))
            continue;
        began_.push_back({door, is.credential});
        ++held_[is.credential];
    }
}

void GrantBook::enter(const std::vector<DoorChange>& changes) {
    for (const DoorChange& change : changes) {
        const auto known = doors_.find(change.door);
        note_change(change.door, known != doors_.end() ? known->second : std::vector<Holder>(), change.holders);
        if (!change.holders.empty())
            doors_[change.door] = change.holders;
        else if (known != doors_.end())
            doors_.erase(known);
    }
}

void GrantBook::expire(BootTime now) {
    while (!ends_.empty() && ends_.begin()->first <= now) {
        const auto door = doors_.find(ends_.begin()->second);
        std::vector<Holder> left;
        std::copy_if(door->second.begin(), door->second.end(), std::back_inserter(left),
                     [&](const Holder& h) { return h.until > now; });
        note_change(door->first, door->second, left);
        door->second = std::move(left);
        if (door->second.empty())
            doors_.erase(door);
    }
}

bool GrantBook::would_exceed(const std::vector<Door>& doors, const wire::CredentialId& credential,
                             std::size_t max_doors) const {
    std::size_t fresh = 0, fresh_for_credential = 0;
    for (const Door& door : doors) {
        const auto known = doors_.find(door);
        fresh += known == doors_.end();
        fresh_for_credential +=
            known == doors_.end() ||
            std::none_of(known->second.begin(), known->second.end(),
                         [&](const Holder& h) { return h.credential == credential; });
    }
    return doors_.size() + fresh > max_doors ||
           (fresh_for_credential > 0 &&
            doors_of(credential) + fresh_for_credential > kMaxDoorsOfCredential);
}

namespace {

// The doors that a request of this credential means; refused where it may not.
Permit doors_for(const DoorRequest& request, const Policy& policy, const Credential& credential) {
    Permit permit;
    if (!request.address.is_grantable())
        return permit;
    const Wish wish{request.service, {request.address, request.target, request.endpoint}};
    for (const Target& target : find_targets(policy, credential, wish)) {
        const Service& service = policy.services[target.service];
        if (request.single && !service.can_be_single())
            return {};
        for (const Door& door : target.doors)
            permit.doors.push_back({door, target.service, grant_lifetime(credential, service, request.lifetime),
                                    service.single || request.single});
    }
    if (!permit.doors.empty())
        permit.answer = Answer::done;
    return permit;
}

Permit permit_for(const DoorRequest& request, const Ceiling& ceiling, const Credential& credential, const Now& now) {
    Permit permit = doors_for(request, ceiling.policy, credential);
    if (permit.answer != Answer::done)
        return permit;
    if (barred(credential, request.address, now.wall))
        permit.answer = Answer::refused;
    else if (ceiling.own_addresses.count(request.address))
        permit.answer = Answer::own_address;
    else if (ceiling.bans.is_banned(request.address, now.boot))
        permit.answer = Answer::banned;
    else if (ceiling.book.would_exceed(permit.plain(), credential.id, ceiling.max_doors))
        permit.answer = Answer::limit;
    for (Permit::One& one : permit.doors)
        one.lifetime = until_its_end(one.lifetime, credential, now.wall);
    return permit;
}

} // namespace

std::vector<Door> Permit::plain() const {
    std::vector<Door> all;
    for (const One& one : doors)
        all.push_back(one.door);
    return all;
}

Permit permit_close(const DoorRequest& request, const Policy& policy) {
    if (request.credential >= policy.credentials.size())
        return {};
    return doors_for(request, policy, policy.credentials[request.credential]);
}

Permit permit_open(const DoorRequest& request, const Ceiling& ceiling, const Now& now) {
    if (request.credential >= ceiling.policy.credentials.size())
        return {};
    return permit_for(request, ceiling, ceiling.policy.credentials[request.credential], now);
}

Permit permit_operator(const DoorRequest& request, const Ceiling& ceiling, const Now& now) {
    return permit_for(request, ceiling, operators_credential(), now);
}

} // namespace xk::gate
