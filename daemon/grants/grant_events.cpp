// SPDX-License-Identifier: MIT
#include "daemon/grants/grant_events.h"

#include <algorithm>
#include <optional>

namespace xk {
namespace {

// How long this credential still holds the pinhole.
std::optional<BootTime> end_of(const authz::GrantBook& book, const authz::Pinhole& pinhole,
                               const wire::CredentialId& credential) {
    const auto known = book.all().find(pinhole);
    if (known == book.all().end())
        return std::nullopt;
    const auto holder = std::ranges::find(known->second, credential, &authz::Holder::credential);
    return holder == known->second.end() ? std::nullopt : std::optional(holder->until);
}

} // namespace

// The visit, where this pinhole is the first of it.
const Visit* GrantEvents::begin(const authz::GrantBook::Began& began, const authz::Policy& policy) {
    const authz::Service* const service = grants_.service_of(began.pinhole);
    if (service == nullptr)
        return nullptr;
    const std::string name(service->name.view());
    const Key key{began.credential, began.pinhole.address, name};
    if (!held_.emplace(Held{began.pinhole, began.credential}, key).second)
        return nullptr;
    Entry& entry = visits_[key];
    if (entry.pinholes++ != 0)
        return nullptr;
    const auto index = policy.find_credential(began.credential);
    entry.visit = {std::string(authz::user_of(policy, began.credential)),
                   index ? std::string(policy.credentials[*index].device.view()) : "", name, began.pinhole.address};
    return &entry.visit;
}

void GrantEvents::tell_began(const authz::GrantBook::Began& began) {
    for (GrantListener* const listener : listeners_)
        listener->pinhole_began(began);
}

void GrantEvents::end(const authz::GrantBook::Ended& ended) {
    for (GrantListener* const listener : listeners_)
        listener->pinhole_ended(ended);
    const auto held = held_.find({ended.pinhole, ended.credential});
    if (held == held_.end())
        return;
    const auto visit = visits_.find(held->second);
    held_.erase(held);
    if (--visit->second.pinholes != 0)
        return;
    for (GrantListener* const listener : listeners_)
        listener->visit_ended(visit->second.visit);
    visits_.erase(visit);
}

void GrantEvents::adopt(const authz::Policy& policy) {
    for (const authz::GrantBook::Began& began : grants_.take_began()) {
        tell_began(began);
        (void)begin(began, policy);
    }
}

// Ends first: what ended and began again since the last time is two visits.
void GrantEvents::tell(const authz::Policy& policy, BootTime now) {
    for (const authz::GrantBook::Ended& ended : grants_.take_ended())
        end(ended);
    for (const authz::GrantBook::Began& began : grants_.take_began()) {
        tell_began(began);
        const auto until = end_of(grants_.book(), began.pinhole, began.credential);
        if (!until) // it ended since, and nobody heard that it began
            continue;
        if (const Visit* const visit = begin(began, policy))
            for (GrantListener* const listener : listeners_)
                listener->visit_began(*visit, std::chrono::ceil<std::chrono::seconds>(*until - now));
    }
}

} // namespace xk
