// SPDX-License-Identifier: MIT
#include "daemon/monitor/places.h"

#include <algorithm>
#include <utility>

namespace xk {

std::set<std::uint32_t> Places::Plan::touched() const {
    std::set<std::uint32_t> places(change.emptied.begin(), change.emptied.end());
    for (const authz::PlacedCredential& placed : change.changed)
        places.insert(placed.place);
    return places;
}

void Places::change_at(Plan& plan, const authz::Policy& next, std::uint32_t place, std::uint32_t index) const {
    plan.change.changed.push_back({place, next.credentials[index]});
    plan.indices.push_back(index);
}

bool Places::has_changed(const authz::Policy* before, const authz::Credential& next, const Held& held,
                         const SecretStamps& stamps) const {
    const auto index = before != nullptr ? before->find_credential(next.id) : std::nullopt;
    return !index || before->credentials[*index] != next || !are_unchanged(held.stamps, stamps);
}

// Gives the lowest free places.
void Places::place_added(Plan& plan, const authz::Policy& next, const std::vector<std::uint32_t>& added,
                         std::vector<SecretStamps>& stamps, std::vector<bool>& taken) const {
    std::uint32_t free = 0;
    for (const std::uint32_t i : added) {
        while (taken[free]) // it ends: there are as many places as there may be credentials
            ++free;
        taken[free] = true;
        change_at(plan, next, free, i);
        plan.by_id.emplace(next.credentials[i].id, Held{free, std::move(stamps[i])});
    }
    plan.change.places = count_; // never fewer: an emptied place is still a place
    for (std::uint32_t place = 0; place < taken.size(); ++place)
        if (taken[place])
            plan.change.places = std::max(plan.change.places, place + 1);
    for (std::uint32_t place = 0; place < count_; ++place)
        if (taken_[place] && !taken[place])
            plan.change.emptied.push_back(place);
}

Places::Plan Places::plan(const authz::Policy* before, const authz::Policy& next,
                          std::vector<SecretStamps> stamps) const {
    Plan plan;
    plan.change.settings = next.settings;
    plan.change.services = next.services;
    std::vector<bool> taken(authz::kMaxCredentials);
    std::vector<std::uint32_t> added; // indices in `next`
    for (std::uint32_t i = 0; i < next.credentials.size(); ++i) {
        const authz::Credential& credential = next.credentials[i];
        const auto held = by_id_.find(credential.id);
        if (held == by_id_.end()) {
            added.push_back(i);
            continue;
        }
        const std::uint32_t place = held->second.place;
        taken[place] = true;
        if (has_changed(before, credential, held->second, stamps[i]))
            change_at(plan, next, place, i);
        plan.by_id.emplace(credential.id, Held{place, std::move(stamps[i])});
    }
    place_added(plan, next, added, stamps, taken);
    return plan;
}

Places::Plan Places::plan_users(const authz::Policy& before, const authz::Policy& next,
                                std::vector<SecretStamps> stamps, const std::set<std::string>& users) const {
    const auto is_theirs = [&](const authz::Credential& credential) {
        return users.contains(std::string(credential.user.view()));
    };
    Plan plan;
    plan.is_partial = true;
    plan.change.settings = next.settings;
    plan.change.services = next.services;
    std::vector<bool> taken = taken_;
    taken.resize(authz::kMaxCredentials);
    for (const authz::Credential& credential : before.credentials)
        if (const auto held = is_theirs(credential) ? by_id_.find(credential.id) : by_id_.end(); held != by_id_.end()) {
            taken[held->second.place] = false;
            if (!next.find_credential(credential.id))
                plan.removed.push_back(credential.id);
        }
    std::vector<std::uint32_t> added;
    for (std::uint32_t i = 0; i < next.credentials.size(); ++i) {
        const authz::Credential& credential = next.credentials[i];
        if (!is_theirs(credential))
            continue;
        const auto held = by_id_.find(credential.id);
        if (held == by_id_.end()) {
            added.push_back(i);
            continue;
        }
        taken[held->second.place] = true;
        if (has_changed(&before, credential, held->second, stamps[i]))
            change_at(plan, next, held->second.place, i);
        plan.by_id.emplace(credential.id, Held{held->second.place, std::move(stamps[i])});
    }
    place_added(plan, next, added, stamps, taken);
    return plan;
}

std::size_t Places::size_after(const Plan& plan) const {
    if (!plan.is_partial)
        return plan.by_id.size();
    std::size_t size = by_id_.size() - plan.removed.size();
    for (const auto& [id, held] : plan.by_id)
        size += !by_id_.contains(id);
    return size;
}

void Places::commit_partial(Plan& plan) {
    for (const wire::CredentialId& id : plan.removed)
        by_id_.erase(id);
    for (auto& [id, held] : plan.by_id)
        by_id_.insert_or_assign(id, std::move(held));
    taken_.resize(count_);
    for (const std::uint32_t place : plan.change.emptied)
        taken_[place] = false;
    for (const authz::PlacedCredential& placed : plan.change.changed)
        taken_[placed.place] = true;
}

void Places::commit(Plan plan) {
    count_ = plan.change.places;
    if (plan.is_partial) {
        commit_partial(plan);
    } else {
        by_id_ = std::move(plan.by_id);
        taken_.assign(count_, false);
        for (const auto& [id, held] : by_id_)
            taken_[held.place] = true;
    }
    handshakes_.resize(count_);
    for (const std::uint32_t place : plan.change.emptied)
        handshakes_[place] = false;
    for (const authz::PlacedCredential& placed : plan.change.changed)
        handshakes_[placed.place] = placed.credential.has_mode(authz::KnockMode::handshake);
}

std::optional<std::uint32_t> Places::find(const wire::CredentialId& id) const {
    const auto held = by_id_.find(id);
    return held == by_id_.end() ? std::nullopt : std::optional(held->second.place);
}

} // namespace xk
