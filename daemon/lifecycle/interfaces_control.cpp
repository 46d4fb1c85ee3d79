// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/interfaces_control.h"

#include "daemon/lifecycle/own_event.h"

#include <map>

namespace xk {
namespace {

// Those with the filter, and their index, which another interface of the same name does not have.
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

bool InterfacesControl::look_after(const config::Config& config, const Now& now) {
    const Interfaces before = interfaces_;
    const bool changed = interfaces_.look_after(links_.counting, config, now);
    if (changed)
        tell(before, now);
    return changed;
}

void InterfacesControl::tell(const Interfaces& before, const Now& now) {
    const auto had = with_filter(before), has = with_filter(interfaces_);
    for (const auto& [name, one] : had)
        if (!has.contains(name))
            events_.on_event(event_of(authz::EventKind::detached, now, name));
    for (const auto& [name, one] : has)
        if (const auto found = had.find(name);
            found == had.end() || found->second->attachment.ifindex != one->attachment.ifindex)
            events_.on_event(event_of(authz::EventKind::attached, now, name + " (" + std::string(one->state()) + ")"));
}

} // namespace xk
