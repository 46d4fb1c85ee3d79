// SPDX-License-Identifier: MIT
#include "daemon/events/log_sink.h"

#include "protocol/base/duration.h"

#include <fmt/format.h>

#include <utility>

namespace xk::events {
namespace {

using authz::EndCause, authz::Event, authz::EventKind;

std::string who_of(const Event& event) { return event.user.empty() ? "unknown credential" : event.who(); }
std::string where_of(const std::optional<Address>& address) { return address ? address->text() : "an unknown address"; }

// A grant of the operator is logged as their action.
bool is_operators(const Event& event) { return event.user == "operator" && event.device.empty(); }

// Names the operator by user id and name. The login uid is another one if they changed the user, for example with
// sudo(8).
std::string operator_text(const Event& event) {
    if (!event.by)
        return "the operator";
    const bool is_other = event.by->login_uid && *event.by->login_uid != event.by->uid;
    const auto named = [](const std::string& name) { return name.empty() ? "" : ", " + name; };
    return fmt::format("the operator (uid {}{}{})", event.by->uid, named(event.by->name),
                       is_other ? fmt::format(", login uid {}{}", *event.by->login_uid, named(event.by->login_name))
                                : "");
}
std::string by_operator(const Event& event) { return "by " + operator_text(event); }

// The owner of a ban comes last in the line, because the text is not ours: it is a jail's name, or a script took it
// from a log that an attacker can write to.
std::string owner_text(const Event& event) { return event.more.empty() ? "" : ": " + event.more; }

std::string until(const Event& event) {
    return duration_text(event.lifetime) + ", until " + log::utc(event.at.wall + event.lifetime);
}

std::string banned_what(const Event& event) {
    return event.prefix ? event.prefix->text() : fmt::format("{} addresses and networks", event.count);
}

// Returns why a grant ends before its time, for the line "the grant of ... ends: WHY".
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

} // namespace

constexpr LogSink::Row LogSink::kRows[] = {
    {EventKind::knock_accepted, "user device service source address grants action retry clock_ahead_s totp_step way",
     "probe by USER/DEVICE from SOURCE", &LogSink::log_accepted},
    {EventKind::knock_refused,
     "user device service source address grants action reason seconds for_good detail clock_ahead_s totp_step way",
     "refused USER/DEVICE from SOURCE: REASON", &LogSink::log_refused},
    {EventKind::refusals_suppressed, "count", "COUNT more refusals and probes were not logged",
     &LogSink::log_refusals_suppressed},
    {EventKind::locked, "user device source seconds",
     "USER/DEVICE had too many wrong codes and is locked until \"knockctl unlock\"", &LogSink::log_locked},
    {EventKind::unlocked, "detail count by", "unlocked DETAIL by the operator (uid UID)", &LogSink::log_unlocked},
    {EventKind::grant_begun, "user device service address grants seconds",
     "granted USER/DEVICE SERVICE from ADDRESS (GRANTS) for TIME, until UTC", &LogSink::log_granted},
    {EventKind::grant_prolonged, "user device service address grants seconds detail",
     "granted USER/DEVICE SERVICE from ADDRESS (GRANTS) for TIME, until UTC", &LogSink::log_granted},
    {EventKind::grant_ended, "user device service address grants cause reason",
     "closed SERVICE GRANTS from ADDRESS by USER/DEVICE", &LogSink::log_ended},
    {EventKind::session_ended, "service address grants cause detail more", "ended MORE: the session of DETAIL",
     &LogSink::log_session_ended},
    {EventKind::banned, "address prefix seconds detail", "", &LogSink::log_nothing},
    {EventKind::unbanned, "address prefix cause detail",
     "unbanned PREFIX: gate.allow or gate.never_ban contains it now", &LogSink::log_unbanned},
    {EventKind::reloaded, "detail more count", "reloaded MORE: COUNT credentials; DETAIL", &LogSink::log_reloaded},
    {EventKind::repaired, "detail more count bans",
     "table inet MORE was changed by DETAIL; it is as it was again, with COUNT grants and BANS bans",
     &LogSink::log_repaired},
    {EventKind::attached, "detail more again", "DETAIL: is there, and has the filter (MORE)", &LogSink::log_attached},
    {EventKind::detached, "detail more", "", &LogSink::log_nothing},
    {EventKind::clock_wrong, "",
     "the wall clock is wrong: it is behind knocks that were accepted, or behind this release; no knock is let in "
     "until "
     "it is right, or until \"knockctl clock accept\"",
     &LogSink::log_clock_wrong},
    {EventKind::clock_right, "", "the wall clock is right again", &LogSink::log_clock_right},
    {EventKind::trial_begun, "seconds again",
     "on trial by the operator: everything is taken away in TIME unless \"knockctl confirm\" comes before",
     &LogSink::log_trial_begun},
    {EventKind::trial_confirmed, "", "the trial was confirmed by the operator: the gate stays",
     &LogSink::log_trial_confirmed},
    {EventKind::trial_over, "detail",
     "the trial is over and nobody confirmed it: ruleset, filter and grants were taken away, DETAIL",
     &LogSink::log_trial_over},
    {EventKind::panic_begun, "count detail", "panic: the operator closes everything", &LogSink::log_panic_begun},
    {EventKind::panic_over, "", "the operator says that the panic is over: knocks are let in again",
     &LogSink::log_panic_over},
    {EventKind::taken_over, "detail", "", &LogSink::log_nothing},
    {EventKind::operator_action,
     "verb detail by failure address service prefix seconds count sessions all others_remain more",
     "the operator (uid UID) says \"VERB DETAIL\"", &LogSink::log_action},
    {EventKind::knocks_suppressed, "count",
     "COUNT accepted knocks are in none of the recent events: more came than are kept",
     &LogSink::log_knocks_suppressed},
    {EventKind::legacy_client, "user device source way last_use_us",
     "legacy client: USER/DEVICE knocked by WAY from SOURCE; before that on UTC", &LogSink::log_legacy_client},
};

std::span<const LogSink::Row> LogSink::rows() {
    static_assert([] {
        for (std::size_t i = 0; i < authz::kEventKinds; ++i)
            if (kRows[i].kind != static_cast<EventKind>(i)) // a missing row has kind 0
                return false;
        return true;
    }());
    return kRows;
}

LogSink::LogSink()
    : LogSink([](Level level, const std::string& line) { log::write(level, "{}", fmt::make_format_args(line)); }) {}

std::string LogSink::would(const char* done, const char* verb) const {
    return dry_run_ ? std::string("would ") + verb : done;
}

void LogSink::on_event(const Event& event) {
    if (const auto kind = static_cast<std::size_t>(event.kind); kind < authz::kEventKinds)
        (this->*kRows[kind].write)(event);
}

// The grants that an accepted knock opens or closes have lines of their own.
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
    // A lock is always logged: there are at most fifty for a credential before it is locked for good.
    const bool locks = reason == authz::Reject::wrong_code && is_locked;
    const auto& where = event.source ? event.source : event.address;
    if (!locks && !refusals_.allow(static_cast<unsigned>(reason), where.value_or(Address{}), event.at.boot))
        return;
    std::string more;
    if (event.for_good)
        more = ", locked until \"knockctl unlock\"";
    else if (is_locked)
        more = fmt::format(", locked for {} s", event.lifetime.count());
    write_(Level::warn, fmt::format("refused {} from {}: {}{}", who_of(event), where_of(where),
                                    event.detail.empty() ? std::string(name_of(reason)) : event.detail, more));
}

// on_tick() prints it, together with the refusals for which this sink had no budget.
void LogSink::log_refusals_suppressed(const Event& event) { refusals_left_out_ += event.count; }

void LogSink::log_knocks_suppressed(const Event& event) {
    write_(Level::info,
           fmt::format("{} accepted knocks are in none of the recent events: more came than are kept", event.count));
}

void LogSink::log_legacy_client(const Event& event) {
    if (!grants_.allow(0, event.source.value_or(Address{}), event.at.boot))
        return;
    const auto way = authz::kKnockModeNames[static_cast<std::size_t>(event.way.value_or(authz::KnockMode::packet))];
    write_(Level::info,
           fmt::format("legacy client: {} knocked by {} from {}{}", who_of(event), way, where_of(event.source),
                       event.last_use ? "; before that on " + log::utc(*event.last_use) : ", for the first time"));
}

// A lock for a while is in the line of the refusal.
void LogSink::log_locked(const Event& event) {
    if (event.lifetime.count() == 0)
        write_(Level::error,
               fmt::format("{} had too many wrong codes and is locked until \"knockctl unlock\"", who_of(event)));
}

void LogSink::log_unlocked(const Event& event) {
    write_(Level::info, fmt::format("unlocked {} {}", event.detail, by_operator(event)));
}

void LogSink::log_granted(const Event& event) {
    // Sessions prolong their grant again and again, which would fill the log.
    const bool by_sessions = event.kind == EventKind::grant_prolonged && !event.detail.empty();
    if (by_sessions || is_operators(event) || !grants_.allow(0, event.address.value_or(Address{}), event.at.boot))
        return;
    write_(Level::info, fmt::format("{} {} {} from {} ({}) for {}", would("granted", "grant"), who_of(event),
                                    event.service, where_of(event.address), event.pinholes, until(event)));
}

// A grant that ends by time or by its connection has no line. Neither has one whose cause has a line itself.
void LogSink::log_ended(const Event& event) {
    const bool is_barred = event.cause == EndCause::rights || event.cause == EndCause::configuration;
    if ((event.cause != EndCause::by_user && !is_barred) ||
        !grants_.allow(0, event.address.value_or(Address{}), event.at.boot))
        return;
    write_(Level::info, is_barred ? fmt::format("the grant of {} for {} from {} ends: {}", event.pinholes,
                                                who_of(event), where_of(event.address), why_barred(event.reject))
                                  : fmt::format("{} {} {} from {} by {}", would("closed", "close"), event.service,
                                                event.pinholes, where_of(event.address), who_of(event)));
}

// Sessions that the operator ends are always logged. The others have a budget.
void LogSink::log_session_ended(const Event& event) {
    if (event.cause == EndCause::panic || event.cause == EndCause::by_operator ||
        sessions_.allow(0, event.address.value_or(Address{}), event.at.boot))
        write_(Level::info, fmt::format("ended {}: the session of {}", event.more, event.detail));
}

// Bans and unbans by the operator are logged as their action.
void LogSink::log_unbanned(const Event& event) {
    if (event.cause == EndCause::configuration)
        write_(Level::info,
               fmt::format("unbanned {}: gate.allow or gate.never_ban contains it now", banned_what(event)));
}

void LogSink::log_reloaded(const Event& event) {
    write_(Level::info, fmt::format("reloaded {}: {} credentials{}", event.more, event.count,
                                    event.detail.empty() ? "" : "; " + event.detail));
}

void LogSink::log_repaired(const Event& event) {
    const std::string what = fmt::format("table inet {} was changed by {}", event.more, event.detail);
    if (event.bans)
        write_(Level::warn,
               fmt::format("{}; it is as it was again, with {} grants and {} bans", what, event.count, *event.bans));
    else
        write_(Level::info, fmt::format("{}; the {} grants are in its sets", what, event.count));
}

void LogSink::log_attached(const Event& event) {
    if (event.again)
        write_(Level::warn,
               fmt::format("{}: the filter was not attached any more and is again ({})", event.detail, event.more));
    else
        write_(Level::info, fmt::format("{}: is there, and has the filter ({})", event.detail, event.more));
}

void LogSink::log_clock_wrong(const Event&) {
    write_(Level::error, "the wall clock is wrong: it is behind knocks that were accepted, or behind this release; no "
                         "knock is let in until it is right, or until \"knockctl clock accept\"");
}

void LogSink::log_clock_right(const Event&) { write_(Level::info, "the wall clock is right again"); }

void LogSink::log_trial_begun(const Event& event) {
    write_(Level::warn,
           fmt::format("on trial{}: everything is taken away in {} unless \"knockctl confirm\" comes before",
                       event.again ? "" : " by the operator", duration_text(event.lifetime)));
}

void LogSink::log_trial_confirmed(const Event&) {
    write_(Level::info, "the trial was confirmed by the operator: the gate stays");
}

void LogSink::log_trial_over(const Event& event) {
    write_(Level::critical,
           fmt::format("the trial is over and nobody confirmed it: ruleset, filter and grants were taken away, {}",
                       event.detail));
}

// The result is logged with the action.
void LogSink::log_panic_begun(const Event& event) {
    write_(Level::warn, "panic: the operator closes everything");
    if (!event.detail.empty())
        write_(Level::warn, fmt::format("spared is the session of {}, from which it was called", event.detail));
}

void LogSink::log_panic_over(const Event&) {
    write_(Level::warn, "the operator says that the panic is over: knocks are let in again");
}

// An action that was refused changed nothing, and the reply gives the operator the reason. A ban or a close can succeed
// in part: then a second line says what is missing. "try", "confirm", "panic" and "reload" are quoted, also where they
// failed, because they change much.
void LogSink::log_action(const Event& event) {
    const bool is_unfinished =
        !event.failure.empty() && event.count > 0 && (event.verb == "ban" || event.verb == "close");
    if (event.verb == "try" || event.verb == "confirm" || event.verb == "panic" || event.verb == "reload")
        log_quoted(event);
    if (!event.failure.empty() && !is_unfinished)
        return;
    if (event.verb == "open")
        write_(Level::info, fmt::format("{} {} for {} {}, for {}", would("granted", "grant"), event.service,
                                        where_of(event.address), by_operator(event), duration_text(event.lifetime)));
    else if (event.verb == "close")
        write_(Level::info,
               fmt::format("closed the grants of {} {}: {}", event.detail, by_operator(event), event.count));
    else if (event.verb == "ban")
        log_ban_action(event);
    else if (event.verb == "unban")
        log_unban_action(event);
    else if (event.verb == "panic" && event.detail.empty())
        write_(Level::warn,
               fmt::format("{} grants closed, {} sessions ended; nobody is let in until \"knockctl panic --over\"",
                           event.count, event.sessions));
    else if (event.verb == "clock-accept")
        write_(Level::warn, "the wall clock was accepted " + by_operator(event));
    else if (event.verb == "takeover")
        write_(Level::warn,
               fmt::format("taken over {}: knocks made before {} are refused", by_operator(event), event.more));
    if (is_unfinished)
        write_(Level::warn, event.failure);
}

void LogSink::log_quoted(const Event& event) {
    write_(Level::info,
           fmt::format("{} says \"{}{}{}\"{}", operator_text(event), event.verb, event.detail.empty() ? "" : " ",
                       event.detail, event.failure.empty() ? "" : ": not done"));
}

void LogSink::log_ban_action(const Event& event) {
    write_(Level::info, fmt::format("{} {} {} {}{}", would("banned", "ban"), banned_what(event),
                                    event.lifetime.count() > 0 ? "for " + duration_text(event.lifetime) : "for ever",
                                    by_operator(event), owner_text(event)));
}

void LogSink::log_unban_action(const Event& event) {
    if (event.count == 0)
        return;
    if (event.all)
        return write_(Level::info,
                      fmt::format("took away {} bans{} {}{}", event.count, event.more.empty() ? "" : " of one owner",
                                  by_operator(event), owner_text(event)));
    write_(Level::info,
           fmt::format("{} {} {}{}", event.others_remain ? "took away a ban of" : "unbanned",
                       event.prefix ? event.prefix->text() : event.detail, by_operator(event), owner_text(event)));
}

void LogSink::on_tick(BootTime now) {
    if (const auto left_out = grants_.take_suppressed(now); left_out > 0)
        write_(Level::warn, fmt::format("{} more grants were opened or closed than logged", left_out));
    if (const auto left_out = sessions_.take_suppressed(now); left_out > 0)
        write_(Level::warn, fmt::format("{} more sessions were ended than logged", left_out));
    refusals_left_out_ += refusals_.take_suppressed(now);
    if (refusals_left_out_ == 0 || now < quiet_until_)
        return;
    quiet_until_ = now + authz::LogBudget::kPeriod;
    write_(Level::warn,
           fmt::format("{} more refusals and probes were not logged", std::exchange(refusals_left_out_, 0)));
}

} // namespace xk::events
