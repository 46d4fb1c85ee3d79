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

Places::Plan Places::plan(const authz::Policy* before, const authz::Policy& next,
                          std::vector<SecretStamps> stamps) const {
    Plan plan;
    plan.change.settings = next.settings;
    plan.change.services = next.services;
    std::vector<bool> taken(authz::kMaxCredentials);
    std::vector<std::uint32_t> added; // indices in `next`
    const auto change_at = [&](std::uint32_t place, std::uint32_t index) {
        plan.change.changed.push_back({place, next.credentials[index]});
        plan.indices.push_back(index);
    };
    for (std::uint32_t i = 0; i < next.credentials.size(); ++i) {
        const authz::Credential& credential = next.credentials[i];
        const auto held = by_id_.find(credential.id);
        if (held == by_id_.end()) {
            added.push_back(i);
            continue;
        }
        const std::uint32_t place = held->second.place;
        taken[place] = true;
        const auto index = before != nullptr ? before->find_credential(credential.id) : std::nullopt;
        if (!index || before->credentials[*index] != credential || !are_unchanged(held->second.stamps, stamps[i]))
            change_at(place, i);
        plan.by_id.emplace(credential.id, Held{place, std::move(stamps[i])});
    }
    std::uint32_t free = 0;
    for (const std::uint32_t i : added) {
        while (taken[free]) // it ends: there are as many places as there may be credentials
            ++free;
        taken[free] = true;
        change_at(free, i);
        plan.by_id.emplace(next.credentials[i].id, Held{free, std::move(stamps[i])});
    }
    plan.change.places = count_; // never fewer: an emptied place is still a place
    for (std::uint32_t place = 0; place < taken.size(); ++place)
        if (taken[place])
            plan.change.places = std::max(plan.change.places, place + 1);
    for (std::uint32_t place = 0; place < count_; ++place)
        if (taken_[place] && !taken[place])
            plan.change.emptied.push_back(place);
    return plan;
}

void Places::commit(Plan plan) {
    by_id_ = std::move(plan.by_id);
    count_ = plan.change.places;
    taken_.assign(count_, false);
    for (const auto& [id, held] : by_id_)
        taken_[held.place] = true;
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
