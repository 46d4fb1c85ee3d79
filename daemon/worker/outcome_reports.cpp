// SPDX-License-Identifier: MIT
#include "daemon/worker/outcome_reports.h"

namespace xk::worker {
namespace {

// A source that was not seen for so long has its whole budget again, and need not be remembered.
constexpr std::chrono::seconds kForget{kReportsOfSourceAtOnce / kReportsOfSourcePerSecond};

// A host that has one IPv6 address usually has a network of 64 bits.
Address group_of(const Address& source) { return source.is_v4() ? source : Prefix::around(source, 64).address; }

void put_facts(privsep::Outcome& message, const authz::Facts& facts) {
    message.was_read = 1;
    message.action = static_cast<std::uint8_t>(facts.action);
    message.address = facts.address.bytes;
    message.has_clock = facts.clock_ahead ? 1 : 0;
    message.clock_ahead = facts.clock_ahead.value_or(std::chrono::seconds(0)).count();
    message.service = facts.service;
    message.port = facts.endpoint.port;
    message.protocol = static_cast<std::uint8_t>(facts.endpoint.protocol);
    if (facts.totp_step)
        message.totp_step = static_cast<std::int64_t>(*facts.totp_step);
}

// Whether this outcome locks the credential. By default fifty of them lock it for good, so there are not more.
bool locks(const authz::Outcome& outcome) {
    const authz::Refused* const refused = outcome.refused();
    return refused != nullptr && refused->reason == authz::Reject::wrong_code &&
           (refused->locked_for_good || refused->locked_for.count() > 0);
}

} // namespace

privsep::Outcome message_of(const authz::Outcome& outcome, const authz::Credential* credential) {
    privsep::Outcome message;
    message.totp_step = -1;
    message.source = outcome.source.bytes;
    if (credential != nullptr) {
        message.known = 1;
        message.credential = credential->id;
    }
    if (outcome.facts)
        put_facts(message, *outcome.facts);
    if (outcome.way)
        message.way = static_cast<std::uint32_t>(*outcome.way) + 1;
    if (const authz::Accepted* const accepted = outcome.accepted()) {
        message.kind = static_cast<std::uint32_t>(privsep::OutcomeKind::accepted);
        message.retry = accepted->retry ? 1 : 0;
        message.last_use = accepted->last_use.value_or(WallTime{}).time_since_epoch().count();
        return message;
    }
    const authz::Refused& refused = *outcome.refused();
    message.kind = static_cast<std::uint32_t>(privsep::OutcomeKind::refused);
    message.reject = static_cast<std::uint32_t>(refused.reason);
    message.locked_for = refused.locked_for_good ? -1 : refused.locked_for.count();
    return message;
}

void OutcomeReports::report(const authz::Outcome& outcome, const authz::Credential* credential, BootTime now) {
    if (outcome.accepted() == nullptr && outcome.refused() == nullptr)
        return; // it is not decided yet
    if (const authz::Refused* const refused = outcome.refused(); refused != nullptr && refused->is_copy)
        return; // no news, two times for each knock
    Budgets& budgets = outcome.accepted() != nullptr ? accepted_ : refused_;
    const bool is_lock = locks(outcome);
    const bool allowed = is_lock ? locks_.try_spend(now) : budgets.try_spend(outcome.source, now);
    if (!allowed || unread_ >= (is_lock ? kUnread + kMoreForLocks : kUnread)) {
        ++budgets.suppressed;
        return;
    }
    const privsep::Outcome message = message_of(outcome, credential);
    if (!send({reinterpret_cast<const std::uint8_t*>(&message), sizeof message}))
        ++budgets.suppressed;
}

bool OutcomeReports::send(ByteView message) {
    if (!try_send_(message))
        return false;
    ++unread_;
    return true;
}

void OutcomeReports::report_suppressed(BootTime now) {
    if ((refused_.suppressed == 0 && accepted_.suppressed == 0) || now - kSuppressedGap < suppressed_sent_)
        return;
    privsep::Suppressed message;
    message.refused = refused_.suppressed;
    message.accepted = accepted_.suppressed;
    if (!send({reinterpret_cast<const std::uint8_t*>(&message), sizeof message}))
        return; // with the next Ping
    suppressed_sent_ = now;
    refused_.suppressed = accepted_.suppressed = 0;
}

// The source's budget comes first, so that a source that floods does not use up the budget of the others.
bool OutcomeReports::Budgets::try_spend(const Address& source, BootTime now) {
    return of_source(source, now).try_spend(now) && all.try_spend(now);
}

privsep::Budget& OutcomeReports::Budgets::of_source(const Address& source, BootTime now) {
    const Address group = group_of(source);
    auto found = sources.find(group);
    if (found == sources.end()) {
        if (sources.size() >= kMostSources && now - cleared >= std::chrono::seconds(1)) {
            cleared = now;
            std::erase_if(sources, [&](const auto& entry) { return now - entry.second.second >= kForget; });
        }
        if (sources.size() >= kMostSources)
            return further_sources;
        const privsep::Budget full{kReportsOfSourceAtOnce, kReportsOfSourcePerSecond};
        found = sources.emplace(group, std::pair{full, now}).first;
    }
    found->second.second = now;
    return found->second.first;
}

} // namespace xk::worker
