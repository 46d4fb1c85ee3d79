// SPDX-License-Identifier: MIT
// Ends, shortens or does not prolong grants whose holders lost the right to them, and prolongs the others.
#include "daemon/grants/grants.h"

#include "daemon/authz/rights.h"

#include <algorithm>

namespace xk {
namespace {

using authz::EndCause;
using authz::Holder;
using authz::PinholeChange;

// Returns `rights` where the user exists and is outside of their dates, hours or networks; else `configuration`.
EndCause cause_of(authz::Reject reason) {
    switch (reason) {
    case authz::Reject::not_yet_valid:
    case authz::Reject::expired:
    case authz::Reject::hours:
    case authz::Reject::network:
        return EndCause::rights;
    default:
        return EndCause::configuration;
    }
}

} // namespace

void Grants::bind_config(std::shared_ptr<const config::Config> config) {
    config_ = std::move(config);
    bound_.clear();
    const auto& credentials = config_->policy.credentials;
    for (std::size_t i = 0; i < credentials.size(); ++i)
        if (authz::is_bound_in_time(credentials[i]))
            bound_[credentials[i].id] = i;
}

Result<void> Grants::reconfigure(std::shared_ptr<const config::Config> config, const Now& now) {
    bind_config(std::move(config));
    expire(now.boot);
    const Bar bar = [&](const authz::Pinhole& pinhole, const wire::CredentialId& id) {
        return authz::may_keep(config_->policy, id, pinhole, now).reason;
    };
    if (auto done = close_barred(bar, now); !done)
        return done;
    if (auto done = shorten_to_rights(now); !done)
        return done;
    return expel_strangers();
}

Result<void> Grants::shorten_to_rights(const Now& now) {
    std::vector<PinholeChange> shorter;
    for (const auto& [pinhole, holders] : book_.all()) {
        PinholeChange change{pinhole, holders};
        for (Holder& holder : change.holders)
            holder.until = end_of(holder.credential, holder.until, now);
        authz::put_longest_first(change.holders);
        if (change.holders != holders)
            shorter.push_back(std::move(change));
    }
    return apply(shorter, now);
}

Result<void> Grants::end_barred(const Now& now) {
    if (bound_.empty())
        return {};
    // Each credential is judged once, because hours need the calendar, which is slow.
    std::map<std::size_t, std::optional<authz::Reject>> known;
    const Bar bar = [&](const authz::Pinhole&, const wire::CredentialId& id) -> std::optional<authz::Reject> {
        const auto bound = bound_.find(id);
        if (bound == bound_.end())
            return std::nullopt;
        const auto [reason, fresh] = known.try_emplace(bound->second);
        if (fresh)
            reason->second = authz::lapsed(config_->policy, config_->policy.credentials[bound->second], now);
        return reason->second;
    };
    return close_barred(bar, now);
}

Result<void> Grants::close_barred(const Bar& bar, const Now& now) {
    Barred barred;
    const auto changes = book_.plan_keep([&](const authz::Pinhole& pinhole, const Holder& holder) {
        const auto reason = bar(pinhole, holder.credential);
        if (!reason)
            return EndCause::none;
        barred[{pinhole, holder.credential}] = *reason;
        return cause_of(*reason);
    });
    if (auto done = apply(changes, now); !done)
        return done;
    barred_.merge(barred);
    return {};
}

// Returns the end of a grant that should last until `wanted`. It is no later than valid_until, converted by the present
// wall clock.
BootTime Grants::end_of(const wire::CredentialId& credential, BootTime wanted, const Now& now) const {
    const auto bound = bound_.find(credential);
    if (bound == bound_.end() || wanted <= now.boot)
        return wanted;
    const auto left = std::chrono::ceil<std::chrono::seconds>(wanted - now.boot);
    const auto most = authz::until_its_end(left, config_->policy.credentials[bound->second], now.wall);
    return most < left ? now.boot + most : wanted;
}

Result<void> Grants::prolong(const std::map<authz::Pinhole, std::chrono::seconds>& pinholes, const Now& now) {
    std::vector<PinholeChange> changes;
    for (const auto& [pinhole, time] : pinholes) {
        const auto known = book_.all().find(pinhole);
        if (known == book_.all().end() || known->second.front().until >= now.boot + time)
            continue;
        PinholeChange change{pinhole, known->second};
        for (Holder& holder : change.holders)
            if (authz::may_keep(config_->policy, holder.credential, pinhole, now).is_allowed())
                holder.until = std::max(holder.until, end_of(holder.credential, now.boot + time, now));
        authz::put_longest_first(change.holders);
        if (change.holders != known->second)
            changes.push_back(std::move(change));
    }
    collect_prolonged(false);
    auto done = apply(changes, now);
    collect_prolonged(true);
    return done;
}

void Grants::collect_prolonged(bool by_sessions) {
    for (const authz::GrantBook::Prolonged& one : book_.take_prolonged())
        prolonged_.push_back({one.pinhole, one.credential, by_sessions});
}

std::vector<Grants::Prolonged> Grants::take_prolonged() {
    collect_prolonged(false);
    return std::exchange(prolonged_, {});
}

Result<std::size_t> Grants::close_users(const Now& now) {
    expire(now.boot);
    const auto changes = book_.plan_keep([](const authz::Pinhole&, const Holder& holder) {
        return holder.credential == authz::kOperator ? EndCause::none : EndCause::panic;
    });
    if (auto applied = apply(changes, now); !applied)
        return applied.error();
    if (auto done = expel_strangers(); !done)
        return done.error();
    return changes.size();
}

} // namespace xk
