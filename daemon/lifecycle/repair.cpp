// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/repair.h"

#include "daemon/lifecycle/own_event.h"
#include "daemon/log.h"
#include "daemon/nft/pinhole_sets.h"

namespace xk {
namespace {

std::string culprit_of(const nft::Change& change) { return change.by.empty() ? "somebody" : change.by; }

} // namespace

Result<void> Repair::on_notice(const Now& now) {
    const auto change = read_();
    if (!change)
        return change.error();
    if (!*change)
        return {};
    if ((*change)->objects || (*change)->elements)
        repair(**change, now);
    else
        unknown_ = true; // repaired on the next tick, because a large transaction of our own may have caused the loss
    return {};
}

Result<void> Repair::on_tick(const Now& now) {
    if (!std::exchange(unknown_, false))
        return {};
    repair({.objects = false, .elements = false, .lost = true, .by = {}}, now);
    // The repair itself makes many notifications. If some of them are lost, that is no reason for another repair. A
    // change by somebody else is one.
    const auto more = read_();
    if (!more)
        return more.error();
    if (*more && ((*more)->objects || (*more)->elements))
        repair(**more, now);
    return {};
}

void Repair::repair(const nft::Change& change, const Now& now) {
    // Somebody who removes an element closes that grant. Somebody who removes a whole set does not.
    if (change.elements && !change.objects && !change.lost) {
        if (auto gone = contents_.forget_missing(); !gone)
            return report_failure(std::move(gone).error(), change);
        if (is_external())
            return;
    }
    // An error of connection tracking must not prevent the repair of the ruleset.
    if (auto used = contents_.forget_used(); !used && !unrepaired_)
        log::error(used.error());
    auto done = contents_.install_whole(*config_, now);
    // The sets are listed only afterwards: listing takes longer than making them, and before the repair all ports may
    // be open.
    if (done)
        done = contents_.expel_strangers();
    if (done)
        report_success(change, now);
    else
        report_failure(std::move(done).error(), change);
}

std::string Repair::table() const { return is_external() ? config_->external.table : std::string(nft::kTable); }

std::string Repair::text_of(const nft::Change& change) const {
    return "table inet " + table() + " was changed by " + culprit_of(change);
}

void Repair::report_success(const nft::Change& change, const Now& now) {
    if (!std::exchange(unrepaired_, false) && change.lost)
        return; // the lost notification may have been of our own transaction
    authz::Event event = event_of(authz::EventKind::repaired, now, culprit_of(change), contents_.count_grants());
    event.more = table();
    if (!is_external())
        event.bans = contents_.count_bans();
    events_.on_event(event);
}

void Repair::report_failure(Error error, const nft::Change& change) {
    unknown_ = true; // so that every tick tries again
    if (!std::exchange(unrepaired_, true))
        log::error(std::move(error).within(text_of(change) + " and cannot be repaired"));
}

} // namespace xk
