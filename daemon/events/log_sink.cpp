// SPDX-License-Identifier: MIT
#include "daemon/events/log_sink.h"

#include "daemon/log.h"
#include "protocol/base/duration.h"

#include <fmt/format.h>

#include <utility>

namespace xk::events {
namespace {

using authz::EndCause, authz::Event, authz::EventKind;

// The switch. A kind is put here by the change that takes its line away from where it is printed today:
//   knock_accepted, knock_refused, refusals_suppressed   daemon/worker/worker.cpp: log_outcome(), tell_the_rest()
//   locked, clock_wrong, clock_right, grant_*            daemon/lifecycle/daemon.cpp; ends by rights: daemon/grants
//   session_ended                                        daemon/grants/lifetimes.cpp
//   banned, unbanned                                     daemon/verbs/control_bans.cpp, daemon/bans/banning.cpp
//   unlocked, taken_over, operator_action                daemon/verbs
//   reloaded, repaired, attached, detached, trial_*, panic_*  daemon/lifecycle
// Nobody prints what is here.
constexpr EventKind kLogged[] = {EventKind::knocks_suppressed};

std::string who_of(const Event& event) { return event.user.empty() ? "unknown credential" : event.who(); }
std::string where_of(const std::optional<Address>& address) { return address ? address->text() : "an unknown address"; }
bool is_by_operator(const Event& event) { return event.by || event.user == "operator"; }

// "of one owner": there is a colon only before a name.
std::string by_owner(const Event& event) { return event.detail.empty() ? "" : ": " + event.detail; }

std::string until(const Event& event) {
    return duration_text(event.lifetime) + ", until " + log::utc(event.at.wall + event.lifetime);
}

std::string banned_what(const Event& event) {
    return event.prefix ? event.prefix->text() : fmt::format("{} addresses and networks", event.count);
}

// Why the sessions of a grant end, as it stands in "ended WHY: the session of ...".
const char* session_cause(EndCause cause) {
    switch (cause) {
    case EndCause::banned:
        return "by a ban";
    case EndCause::panic:
        return "by the panic";
    case EndCause::by_operator:
        return "by the operator";
    case EndCause::rights:
    case EndCause::configuration:
        return "with the right to it";
    default:
        return "with its grant";
    }
}

// Why a grant ends before its time, as it stands in "the grant of ... ends: WHY".
const char* why_barred(std::optional<authz::Reject> reason) {
    switch (reason.value_or(authz::Reject::disabled)) {
    case authz::Reject::not_yet_valid:
        return "not valid yet";
    case authz::Reject::expired:
        return "not valid any more";
    case authz::Reject::hours:
        return "not one of their hours";
    case authz::Reject::network:
        return "not one of their networks";
    case authz::Reject::service:
        return "not one of their services any more";
    default:
        return "disabled or removed";
    }
}

std::string reloaded_line(const Event& event) {
    return event.more.empty() ? "reloaded: " + event.detail
                              : fmt::format("reloaded {}: {} credentials", event.more, event.count);
}

// "operator (uid 1000): close anna/laptop"
std::string action_line(const Event& event) {
    return fmt::format("operator (uid {}): {}{}{}", event.by ? std::to_string(event.by->uid) : "unknown", event.verb,
                       event.detail.empty() ? "" : " " + event.detail,
                       event.failure.empty() ? "" : ": not done: " + event.failure);
}

} // namespace

Kinds logged_kinds() {
    Kinds kinds;
    for (const EventKind kind : kLogged)
        kinds.set(static_cast<std::size_t>(kind));
    return kinds;
}

LogSink::LogSink(Kinds kinds)
    : LogSink(kinds, [](Level level, const std::string& line) {
          constexpr spdlog::level::level_enum kLevels[] = {spdlog::level::debug, spdlog::level::info,
                                                           spdlog::level::warn, spdlog::level::err,
                                                           spdlog::level::critical};
          spdlog::log(kLevels[static_cast<int>(level)], "{}", line);
      }) {}

std::string LogSink::would(const char* done, const char* verb) const {
    return dry_run_ ? std::string("would ") + verb : done;
}

void LogSink::on_event(const Event& event) {
    if (static_cast<std::size_t>(event.kind) >= kinds_.size() || !kinds_.test(static_cast<std::size_t>(event.kind)))
        return;
    switch (event.kind) {
    case EventKind::knock_accepted:
        return log_accepted(event);
    case EventKind::knock_refused:
        return log_refused(event);
    case EventKind::refusals_suppressed:
        never_told_ += event.count;
        return;
    case EventKind::grant_begun:
    case EventKind::grant_prolonged:
        return log_granted(event);
    case EventKind::grant_ended:
        return log_ended(event);
    case EventKind::banned:
        return log_banned(event);
    case EventKind::unbanned:
        return log_unbanned(event);
    case EventKind::repaired:
        return log_repaired(event);
    case EventKind::panic_begun:
    case EventKind::panic_over:
        return log_panic(event);
    default:
        return log_fixed(event);
    }
}

// What an accepted knock opened or closed has a line of its own.
void LogSink::log_accepted(const Event& event) {
    if (event.retry)
        write_(Level::debug, fmt::format("retry of {} {} from {}", who_of(event),
                                         event.action ? name_of(*event.action) : "?", where_of(event.source)));
    else if (event.action == Action::probe &&
             refusals_.allow(authz::kRejects, event.source.value_or(Address{}), event.at.boot))
        write_(Level::info, fmt::format("probe by {} from {}", who_of(event), where_of(event.source)));
}

void LogSink::log_refused(const Event& event) {
    const auto reason = event.reject.value_or(authz::Reject::refused);
    const bool is_locked = event.for_good || event.lifetime.count() > 0;
    // A lock is always told: there are at most fifty for a credential before it is locked for good.
    const bool locks = reason == authz::Reject::wrong_code && is_locked;
    const auto& where = event.source ? event.source : event.address;
    if (!locks && !refusals_.allow(static_cast<unsigned>(reason), where.value_or(Address{}), event.at.boot))
        return;
    std::string more;
    if (event.for_good)
        more = ", locked until \"knockctl unlock\"";
    else if (is_locked)
        more = fmt::format(", locked for {} s", event.lifetime.count());
    write_(Level::warning, fmt::format("refused {} from {}: {}{}", who_of(event), where_of(where),
                                       event.detail.empty() ? std::string(name_of(reason)) : event.detail, more));
}

void LogSink::log_granted(const Event& event) {
    // Its sessions prolong a grant again and again.
    if (event.kind == EventKind::grant_prolonged && !event.detail.empty())
        return;
    const std::string granted = would("granted", "grant"), where = where_of(event.address);
    if (is_by_operator(event)) // whose own doing needs no budget
        return write_(Level::info, fmt::format("{} {} for {} by the operator, for {}", granted, event.service, where,
                                               duration_text(event.lifetime)));
    if (grants_.allow(0, event.address.value_or(Address{}), event.at.boot))
        write_(Level::info, fmt::format("{} {} {} from {} ({}) for {}", granted, who_of(event), event.service, where,
                                        event.pinholes, until(event)));
}

void LogSink::log_ended(const Event& event) {
    const Address where = event.address.value_or(Address{});
    if (event.cause == EndCause::by_user && grants_.allow(0, where, event.at.boot)) {
        const std::string closed = would("closed", "close");
        write_(Level::info, event.all ? fmt::format("{} all grants of {}: {}", closed, who_of(event), event.count)
                                      : fmt::format("{} {} {} from {} by {}", closed, event.service, event.pinholes,
                                                    where_of(event.address), who_of(event)));
    }
    if (event.cause != EndCause::rights && event.cause != EndCause::configuration)
        return; // by time, by its connection, or by what has a line of its own
    if (event.all)
        write_(Level::info, fmt::format("and {} more grants of those who may not hold them any more", event.count));
    else
        write_(Level::info, fmt::format("the grant of {} for {} from {} ends: {}", event.pinholes, event.who(),
                                        where_of(event.address), why_barred(event.reject)));
}

void LogSink::log_banned(const Event& event) {
    write_(Level::info, fmt::format("{} {} {}{}", would("banned", "ban"), banned_what(event),
                                    event.lifetime.count() > 0 ? "for " + duration_text(event.lifetime) : "for ever",
                                    by_owner(event)));
}

void LogSink::log_unbanned(const Event& event) {
    if (event.cause == EndCause::expired)
        return;
    if (event.cause == EndCause::configuration)
        return write_(Level::info,
                      banned_what(event).insert(0, "unbanned ") + ": gate.allow or gate.never_ban holds it now");
    if (event.all)
        return write_(Level::info, fmt::format("took away {} bans{}", event.count,
                                               event.detail.empty() ? "" : " of one owner" + by_owner(event)));
    write_(Level::info, fmt::format("{} {}{}", event.others_remain ? "took away a ban of" : "unbanned",
                                    banned_what(event), by_owner(event)));
}

void LogSink::log_repaired(const Event& event) {
    const std::string what = fmt::format("table inet {} was changed by {}", event.more, event.detail);
    if (event.bans)
        write_(Level::warning,
               fmt::format("{}; it is as it was again, with {} grants and {} bans", what, event.count, *event.bans));
    else
        write_(Level::info, fmt::format("{}; the {} grants are in its sets", what, event.count));
}

void LogSink::log_panic(const Event& event) {
    if (event.kind == EventKind::panic_over)
        return write_(Level::warning, "the operator says that the panic is over: knocks are let in again");
    write_(Level::warning, "panic: the operator closes everything");
    if (!event.detail.empty())
        write_(Level::warning, fmt::format("spared is the session of {}, from which it was called", event.detail));
    write_(Level::warning,
           fmt::format("{} grants closed, {} sessions ended; nobody is let in until \"knockctl panic --over\"",
                       event.count, event.sessions));
}

void LogSink::log_trial_over(const Event& event) {
    if (event.cause == EndCause::expired)
        return write_(Level::critical,
                      fmt::format("the trial is over and nobody confirmed it: ruleset, filter and grants were taken "
                                  "away, {}",
                                  event.detail));
    write_(Level::warning, "stopped while on trial: ruleset and filter are gone, the ports are open; a start goes on "
                           "with it");
}

void LogSink::log_fixed(const Event& event) {
    switch (event.kind) {
    case EventKind::locked:
        if (event.lifetime.count() == 0) // the line of the refusal says the others
            write_(Level::error,
                   fmt::format("{} had too many wrong codes and is locked until \"knockctl unlock\"", who_of(event)));
        return;
    case EventKind::unlocked:
        return write_(Level::info, fmt::format("unlocked {} by the operator", event.detail));
    case EventKind::session_ended:
        return write_(Level::info,
                      event.detail.empty()
                          ? fmt::format("ended {}: {} more sessions", session_cause(event.cause), event.count)
                          : fmt::format("ended {}: the session of {}", session_cause(event.cause), event.detail));
    case EventKind::reloaded:
        return write_(Level::info, reloaded_line(event));
    case EventKind::attached:
        return write_(Level::warning, fmt::format("{}: {} ({})", event.detail,
                                                  event.again ? "the filter was not attached any more and is again"
                                                              : "is there, and has the filter",
                                                  event.more));
    case EventKind::detached:
        return write_(Level::warning,
                      fmt::format("{} has no filter, and knocks are not heard there: {}", event.detail, event.more));
    case EventKind::clock_wrong:
        return write_(Level::error,
                      "the wall clock is wrong: it is behind knocks that were accepted, or behind this release; no "
                      "knock is let in until it is right, or until \"knockctl clock accept\"");
    case EventKind::clock_right:
        return write_(Level::info, "the wall clock is right again");
    case EventKind::trial_begun:
        return write_(Level::warning,
                      fmt::format("on trial{}: everything is taken away in {} unless \"knockctl confirm\" comes before",
                                  event.by ? " by the operator" : "", duration_text(event.lifetime)));
    case EventKind::trial_confirmed:
        return write_(Level::info, "the trial was confirmed by the operator: the gate stays");
    case EventKind::trial_over:
        return log_trial_over(event);
    case EventKind::taken_over:
        return write_(Level::warning, event.detail);
    case EventKind::operator_action:
        return write_(Level::info, action_line(event));
    case EventKind::knocks_suppressed:
        return write_(
            Level::info,
            fmt::format("{} accepted knocks are in none of the recent events: more came than are kept", event.count));
    default:
        return;
    }
}

void LogSink::on_tick(BootTime now) {
    if (const auto left_out = grants_.take_suppressed(now); left_out > 0)
        write_(Level::warning, fmt::format("{} more grants were opened or closed than logged", left_out));
    never_told_ += refusals_.take_suppressed(now);
    if (never_told_ == 0 || now < quiet_until_)
        return;
    quiet_until_ = now + authz::LogBudget::kPeriod;
    write_(Level::warning, fmt::format("{} more refusals and probes were not logged", std::exchange(never_told_, 0)));
}

} // namespace xk::events
