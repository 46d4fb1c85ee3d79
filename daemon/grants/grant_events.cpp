// SPDX-License-Identifier: MIT
#include "daemon/grants/grant_events.h"

#include <algorithm>

namespace xk {
namespace {

using authz::Event;
using authz::EventKind;
using authz::GrantBook;

const authz::Holder* find_holder(const GrantBook& book, const authz::Pinhole& pinhole,
                                 const wire::CredentialId& credential) {
    const auto known = book.all().find(pinhole);
    if (known == book.all().end())
        return nullptr;
    const auto holder = std::ranges::find(known->second, credential, &authz::Holder::credential);
    return holder == known->second.end() ? nullptr : &*holder;
}

} // namespace

const GrantEvents::Key* GrantEvents::enter(const GrantBook::Began& began, const authz::Policy& policy) {
    const authz::Service* const service = grants_.service_of(began.pinhole);
    if (service == nullptr)
        return nullptr;
    const Key key{began.credential, began.pinhole.address, std::string(service->name.view())};
    if (!held_.emplace(Held{began.pinhole, began.credential}, key).second)
        return nullptr;
    const auto [entry, fresh] = open_.try_emplace(key);
    entry->second.pinholes.insert(began.pinhole);
    entry->second.all.insert(began.pinhole);
    if (!fresh)
        return nullptr;
    const auto index = policy.find_credential(began.credential);
    entry->second.user = authz::user_of(policy, began.credential);
    entry->second.device = index ? policy.credentials[*index].device.view() : "";
    return &entry->first;
}

std::chrono::seconds GrantEvents::time_left(const Key& key, const Now& now) const {
    BootTime until = now.boot;
    for (const authz::Pinhole& pinhole : open_.at(key).pinholes)
        if (const authz::Holder* const holder = find_holder(grants_.book(), pinhole, std::get<0>(key)))
            until = std::max(until, holder->until);
    return std::chrono::ceil<std::chrono::seconds>(until - now.boot);
}

Event GrantEvents::event_of(EventKind kind, const Key& key, const Now& now) const {
    const Grant& grant = open_.at(key);
    Event event;
    event.kind = kind;
    event.at = now;
    event.user = grant.user;
    event.device = grant.device;
    event.service = std::get<2>(key);
    event.address = std::get<1>(key);
    for (const authz::Pinhole& pinhole : grant.all)
        event.pinholes += (event.pinholes.empty() ? "" : ", ") + grants_.text_of(pinhole);
    return event;
}

void GrantEvents::report_ended(const GrantBook::Ended& ended, const Grants::Barred& barred, const Now& now) {
    for (PinholeListener* const listener : listeners_)
        listener->on_pinhole_ended(ended);
    const auto held = held_.find({ended.pinhole, ended.credential});
    if (held == held_.end())
        return;
    const Key key = std::move(held->second);
    held_.erase(held);
    Grant& grant = open_.at(key);
    if (grant.pinholes.size() > 1) {
        grant.pinholes.erase(ended.pinhole);
        return;
    }
    Event event = event_of(EventKind::grant_ended, key, now);
    event.cause = ended.cause;
    if (const auto reason = barred.find({ended.pinhole, ended.credential}); reason != barred.end())
        event.reject = reason->second;
    open_.erase(key);
    sink_.on_event(event);
}

void GrantEvents::report_began(const GrantBook::Began& began) {
    for (PinholeListener* const listener : listeners_)
        listener->on_pinhole_began(began);
}

// A grant gets one event, however many of its pinholes are prolonged. A grant that began since the last report gets
// none, because the event of its beginning already has the longer time.
void GrantEvents::report_prolonged(const Now& now) {
    std::map<Key, bool> prolonged; // the value: only its sessions prolonged the grant
    for (const Grants::Prolonged& longer : grants_.take_prolonged())
        if (const auto held = held_.find({longer.pinhole, longer.credential}); held != held_.end())
            prolonged.try_emplace(held->second, true).first->second &= longer.by_sessions;
    for (const auto& [key, by_sessions] : prolonged) {
        Event event = event_of(EventKind::grant_prolonged, key, now);
        event.lifetime = time_left(key, now);
        event.detail = by_sessions ? "by its sessions" : "";
        sink_.on_event(event);
    }
}

void GrantEvents::adopt(const authz::Policy& policy) {
    (void)grants_.take_prolonged();
    for (const GrantBook::Began& began : grants_.take_began()) {
        report_began(began);
        (void)enter(began, policy);
    }
}

// Ends are reported first: a grant that ended and began again since the last report is two grants.
void GrantEvents::report(const authz::Policy& policy, const Now& now) {
    const Grants::Barred barred = grants_.take_barred();
    for (const GrantBook::Ended& ended : grants_.take_ended())
        report_ended(ended, barred, now);
    report_prolonged(now);
    std::vector<const Key*> fresh;
    for (const GrantBook::Began& began : grants_.take_began()) {
        report_began(began);
        if (find_holder(grants_.book(), began.pinhole, began.credential) == nullptr)
            continue; // it is over already, and its end was not reported either
        if (const Key* const key = enter(began, policy))
            fresh.push_back(key);
    }
    for (const Key* const key : fresh) {
        Event event = event_of(EventKind::grant_begun, *key, now);
        event.lifetime = time_left(*key, now);
        sink_.on_event(event);
    }
}

} // namespace xk
