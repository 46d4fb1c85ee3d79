// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/interfaces_control.h"

#include "daemon/lifecycle/own_event.h"

#include <map>

namespace xk {
namespace {

// Returns the interfaces with the filter, by name.
std::map<std::string, const Interfaces::Interface*> with_filter(const Interfaces& interfaces) {
    std::map<std::string, const Interfaces::Interface*> found;
    for (const Interfaces::Interface& one : interfaces.all())
        if (one.has_filter())
            found.emplace(one.attachment.interface, &one);
    return found;
}

} // namespace

Result<void> InterfacesControl::attach(const config::Config& next, const Now& now) {
    before_ = interfaces_;
    auto done = interfaces_.use(links_.latest, next, now);
    if (!done)
        interfaces_.go_back(links_.counting, before_);
    else
        tell(before_, now);
    return done;
}

void InterfacesControl::go_back() {
    const Interfaces given_up = interfaces_;
    interfaces_.go_back(links_.counting, before_);
    tell(given_up, Now::read());
}

bool InterfacesControl::keep_attached(const config::Config& config, const Now& now) {
    const Interfaces before = interfaces_;
    const bool changed = interfaces_.keep_attached(links_.counting, config, now);
    if (changed)
        tell(before, now, interfaces_.healed());
    return changed;
}

// There is no reason where the configuration does not name the interface any more.
authz::Event InterfacesControl::detached(const std::string& name, const Now& now) const {
    authz::Event event = event_of(authz::EventKind::detached, now, name);
    for (const Interfaces::Interface& one : interfaces_.all())
        if (one.attachment.interface == name)
            event.more = one.reason;
    return event;
}

void InterfacesControl::tell(const Interfaces& before, const Now& now, const std::set<std::string>& healed) {
    const auto had = with_filter(before), has = with_filter(interfaces_);
    for (const auto& [name, one] : had)
        if (!has.contains(name))
            events_.on_event(detached(name, now));
    for (const auto& [name, one] : has) {
        const auto found = had.find(name);
        const bool is_healed = healed.contains(name);
        if (!is_healed && found != had.end() && found->second->attachment.ifindex == one->attachment.ifindex)
            continue;
        authz::Event event = event_of(authz::EventKind::attached, now, name);
        event.more = one->state();
        event.again = is_healed;
        events_.on_event(event);
    }
}

} // namespace xk
