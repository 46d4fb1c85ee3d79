// SPDX-License-Identifier: MIT
#include "daemon/grant_events.h"

#include <algorithm>
#include <optional>

namespace xk {
namespace {

// How long this credential still holds the door.
std::optional<BootTime> end_of(const gate::GrantBook& book, const gate::Door& door,
                               const wire::CredentialId& credential) {
    const auto known = book.all().find(door);
    if (known == book.all().end())
        return std::nullopt;
    const auto holder = std::ranges::find(known->second, credential, &gate::Holder::credential);
    return holder == known->second.end() ? std::nullopt : std::optional(holder->until);
}

} // namespace

// The visit, where this door is the first of it.
const Visit* GrantEvents::begin(const gate::GrantBook::Began& began, const gate::Policy& policy) {
    const gate::Service* const service = doors_.service_of(began.door);
    if (service == nullptr)
        return nullptr;
    const std::string name(service->name.view());
    const Key key{began.credential, began.door.address, name};
    if (!held_.emplace(Held{began.door, began.credential}, key).second)
        return nullptr;
    Entry& entry = visits_[key];
    if (entry.doors++ != 0)
        return nullptr;
    const auto index = policy.find_credential(began.credential);
    entry.visit = {std::string(gate::user_of(policy, began.credential)),
                   index ? std::string(policy.credentials[*index].device.view()) : "", name, began.door.address};
    return &entry.visit;
}

void GrantEvents::tell_began(const gate::GrantBook::Began& began) {
    for (GrantListener* const listener : listeners_)
        listener->door_began(began);
}

void GrantEvents::end(const gate::GrantBook::Ended& ended) {
    for (GrantListener* const listener : listeners_)
        listener->door_ended(ended);
    const auto held = held_.find({ended.door, ended.credential});
    if (held == held_.end())
        return;
    const auto visit = visits_.find(held->second);
    held_.erase(held);
    if (--visit->second.doors != 0)
        return;
    for (GrantListener* const listener : listeners_)
        listener->visit_ended(visit->second.visit);
    visits_.erase(visit);
}

void GrantEvents::adopt(const gate::Policy& policy) {
    for (const gate::GrantBook::Began& began : doors_.take_began()) {
        tell_began(began);
        (void)begin(began, policy);
    }
}

// Ends first: what ended and began again since the last time is two visits.
void GrantEvents::tell(const gate::Policy& policy, BootTime now) {
    for (const gate::GrantBook::Ended& ended : doors_.take_ended())
        end(ended);
    for (const gate::GrantBook::Began& began : doors_.take_began()) {
        tell_began(began);
        const auto until = end_of(doors_.book(), began.door, began.credential);
        if (!until) // it ended since, and nobody heard that it began
            continue;
        if (const Visit* const visit = begin(began, policy))
            for (GrantListener* const listener : listeners_)
                listener->visit_began(*visit, std::chrono::ceil<std::chrono::seconds>(*until - now));
    }
}

} // namespace xk
