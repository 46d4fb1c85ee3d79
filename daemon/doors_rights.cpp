// SPDX-License-Identifier: MIT
// Who may no longer, holds nothing: grants that end before their time, or do not get more of it.
#include "daemon/doors.h"

#include "daemon/gate/rights.h"
#include "daemon/log.h"

#include <algorithm>

namespace xk {
namespace {

using gate::DoorChange;
using gate::Holder;

constexpr std::size_t kLines = 16; // of one kind in the log

std::string why(gate::Reject reason) {
    switch (reason) {
    case gate::Reject::not_yet_valid:
        return "not valid yet";
    case gate::Reject::expired:
        return "not valid any more";
    case gate::Reject::hours:
        return "not one of their hours";
    case gate::Reject::network:
        return "not one of their networks";
    case gate::Reject::service:
        return "not one of their services any more";
    default:
        return "disabled or removed";
    }
}

} // namespace

void Doors::use(const config::Config& config) {
    config_ = &config;
    bound_.clear();
    for (std::size_t i = 0; i < config.policy.credentials.size(); ++i)
        if (gate::is_bound_in_time(config.policy.credentials[i]))
            bound_[config.policy.credentials[i].id] = i;
}

Result<void> Doors::reconfigure(const config::Config& config) {
    use(config);
    const Now now = Now::read();
    expire(now.boot);
    if (auto done = end([&](const gate::Door& door, const wire::CredentialId& id) {
            return gate::barred(config_->policy, id, door, now.wall);
        }, now); !done)
        return done;
    std::vector<DoorChange> shorter;
    for (const auto& [door, holders] : book_.all()) {
        DoorChange change{door, holders};
        for (Holder& holder : change.holders)
            holder.until = end_of(holder.credential, holder.until, now);
        gate::put_longest_first(change.holders);
        if (change.holders != holders)
            shorter.push_back(std::move(change));
    }
    if (auto done = apply(shorter, now); !done)
        return done;
    return expel_strangers();
}

Result<void> Doors::end_barred(const Now& now) {
    if (bound_.empty())
        return {};
    // Asked once of each who holds anything: hours take a look at the calendar.
    std::map<std::size_t, std::optional<gate::Reject>> known;
    return end([&](const gate::Door&, const wire::CredentialId& id) -> std::optional<gate::Reject> {
        const auto bound = bound_.find(id);
        if (bound == bound_.end())
            return std::nullopt;
        const auto [bar, fresh] = known.try_emplace(bound->second);
        if (fresh)
            bar->second = gate::barred(config_->policy.credentials[bound->second], now.wall);
        return bar->second;
    }, now);
}

Result<void> Doors::end(
    const std::function<std::optional<gate::Reject>(const gate::Door&, const wire::CredentialId&)>& bar, const Now& now) {
    std::vector<std::string> said;
    std::size_t unsaid = 0;
    const auto changes = book_.plan_keep([&](const gate::Door& door, const Holder& holder) {
        const auto reason = bar(door, holder.credential);
        if (reason && said.size() < kLines)
            said.push_back("the grant of " + text_of(door) + " for " + label_of(holder.credential) + " from " +
                           door.address.text() + " ends: " + why(*reason));
        else if (reason)
            ++unsaid;
        return reason.has_value();
    });
    if (auto done = apply(changes, now); !done)
        return done;
    for (const std::string& line : said)
        spdlog::info("{}", line);
    if (unsaid > 0)
        spdlog::info("and {} more grants of those who may not hold them any more", unsaid);
    return {};
}

// No grant outlasts its user's valid_until, by the wall clock as it is now.
BootTime Doors::end_of(const wire::CredentialId& credential, BootTime wanted, const Now& now) const {
    const auto bound = bound_.find(credential);
    if (bound == bound_.end() || wanted <= now.boot)
        return wanted;
    const auto left = std::chrono::ceil<std::chrono::seconds>(wanted - now.boot);
    const auto most = gate::until_its_end(left, config_->policy.credentials[bound->second], now.wall);
    return most < left ? now.boot + most : wanted;
}

Result<void> Doors::prolong(const std::map<gate::Door, std::chrono::seconds>& doors, const Now& now) {
    std::vector<DoorChange> changes;
    for (const auto& [door, time] : doors) {
        const auto known = book_.all().find(door);
        if (known == book_.all().end() || known->second.front().until >= now.boot + time)
            continue;
        DoorChange change{door, known->second};
        for (Holder& holder : change.holders)
            if (!gate::barred(config_->policy, holder.credential, door, now.wall))
                holder.until = std::max(holder.until, end_of(holder.credential, now.boot + time, now));
        gate::put_longest_first(change.holders);
        if (change.holders != known->second)
            changes.push_back(std::move(change));
    }
    return apply(changes, now);
}

Result<std::size_t> Doors::close_users(const Now& now) {
    expire(now.boot);
    const auto changes = book_.plan_keep(
        [](const gate::Door&, const Holder& holder) { return holder.credential != gate::kOperator; });
    if (auto applied = apply(changes, now); !applied)
        return applied.error();
    if (auto done = expel_strangers(); !done)
        return done.error();
    return changes.size();
}

} // namespace xk
