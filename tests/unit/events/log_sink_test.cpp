// SPDX-License-Identifier: MIT
#include "daemon/events/log_sink.h"

#include <doctest/doctest.h>

using namespace xk;
using namespace xk::authz;
using events::LogSink;
using namespace std::chrono_literals;

namespace {

constexpr Now kNow{WallTime(1'795'000'000s), BootTime(5000s)};

struct Log {
    std::vector<std::string> lines; // each with its level before it
    LogSink sink{[this](LogSink::Level level, const std::string& line) {
        static constexpr const char* kLevels[] = {"debug", "info", "warning", "error", "critical"};
        lines.push_back(std::string(kLevels[static_cast<int>(level)]) + ": " + line);
    }};

    // The lines of one event, with "|" between them.
    std::string of(const Event& event) {
        lines.clear();
        sink.on_event(event);
        std::string all;
        for (const std::string& line : lines)
            all += (all.empty() ? "" : "|") + line;
        return all;
    }
};

Event event_of(EventKind kind) {
    Event e;
    e.kind = kind;
    e.at = kNow;
    return e;
}

Event of_anna(EventKind kind) {
    Event e = event_of(kind);
    e.user = "anna";
    e.device = "laptop";
    e.service = "ssh";
    e.pinholes = "tcp/22";
    e.source = Address::v4(192, 0, 2, 2);
    e.address = Address::v4(192, 0, 2, 3);
    return e;
}

// As the operator's, with `detail`.
Event of_operator(EventKind kind, std::string detail = {}) {
    Event e = event_of(kind);
    e.by = Operator{0, 1, {}};
    e.detail = std::move(detail);
    return e;
}

Event of_action(std::string verb, std::string subject) {
    Event e = of_operator(EventKind::operator_action, std::move(subject));
    e.verb = std::move(verb);
    return e;
}

} // namespace

TEST_CASE("knocks that were accepted") {
    Log log;
    Event e = of_anna(EventKind::knock_accepted);
    e.action = Action::open;
    CHECK(log.of(e) == ""); // the grant has its line
    e.retry = true;
    CHECK(log.of(e) == "debug: retry of anna/laptop open from 192.0.2.2");
    e.retry = false;
    e.action = Action::probe;
    CHECK(log.of(e) == "info: probe by anna/laptop from 192.0.2.2");
    CHECK(log.of(e) == ""); // one in ten seconds
}

TEST_CASE("refusals") {
    Log log;
    Event e = of_anna(EventKind::knock_refused);
    e.reject = Reject::stale;
    CHECK(log.of(e) == "warning: refused anna/laptop from 192.0.2.2: stale");
    e.user = e.device = "";
    e.reject = Reject::tag;
    CHECK(log.of(e) == "warning: refused unknown credential from 192.0.2.2: tag");
    e = of_anna(EventKind::knock_refused);
    e.reject = Reject::locked;
    e.lifetime = 30s;
    CHECK(log.of(e) == "warning: refused anna/laptop from 192.0.2.2: locked, locked for 30 s");
    e.reject = Reject::wrong_code;
    e.lifetime = 0s;
    CHECK(log.of(e) == "warning: refused anna/laptop from 192.0.2.2: wrong-code");
    CHECK(log.of(e) == "");
    e.lifetime = 30s; // a lock is told whatever the budget says
    CHECK(log.of(e) == "warning: refused anna/laptop from 192.0.2.2: wrong-code, locked for 30 s");
    e.for_good = true;
    CHECK(log.of(e) == "warning: refused anna/laptop from 192.0.2.2: wrong-code, locked until \"knockctl unlock\"");
    e = of_anna(EventKind::knock_refused);
    e.source.reset(); // by the privileged part, which knows only for which address
    e.reject = Reject::refused;
    e.detail = "the configuration that was loaded meanwhile does not allow it";
    CHECK(log.of(e) == "warning: refused anna/laptop from 192.0.2.3: the configuration that was loaded meanwhile does "
                       "not allow it");
}

TEST_CASE("grants that begin") {
    Log log;
    Event e = of_anna(EventKind::grant_begun);
    e.lifetime = 30s;
    CHECK(log.of(e) == "info: granted anna/laptop ssh from 192.0.2.3 (tcp/22) for 30s, until 2026-11-18T11:07:10Z");
    e.kind = EventKind::grant_prolonged;
    CHECK(log.of(e).starts_with("info: granted anna/laptop ssh from 192.0.2.3"));
    e.detail = "its sessions"; // again and again
    CHECK(log.of(e) == "");
    log.sink.set_dry_run(true);
    CHECK(log.of(of_anna(EventKind::grant_begun)).starts_with("info: would grant anna/laptop ssh from 192.0.2.3"));
    e = of_anna(EventKind::grant_begun);
    e.user = "operator";
    e.device = "";
    CHECK(log.of(e) == ""); // their action has the line
    e.device = "phone";     // somebody has that name
    CHECK(log.of(e).starts_with("info: would grant operator/phone ssh"));
}

TEST_CASE("grants that end") {
    Log log;
    Event e = of_anna(EventKind::grant_ended);
    for (const EndCause cause : {EndCause::expired, EndCause::used, EndCause::by_operator, EndCause::banned,
                                 EndCause::panic, EndCause::by_others, EndCause::failed, EndCause::none}) {
        e.cause = cause;
        CHECK(log.of(e) == "");
    }
    e.cause = EndCause::by_user;
    CHECK(log.of(e) == "info: closed ssh tcp/22 from 192.0.2.3 by anna/laptop");
    log.sink.set_dry_run(true);
    CHECK(log.of(e) == "info: would close ssh tcp/22 from 192.0.2.3 by anna/laptop");
    const std::pair<Reject, const char*> reasons[] = {{Reject::not_yet_valid, "not valid yet"},
                                                      {Reject::expired, "not valid any more"},
                                                      {Reject::hours, "not one of their hours"},
                                                      {Reject::network, "not one of their networks"},
                                                      {Reject::service, "not one of their services any more"},
                                                      {Reject::disabled, "disabled or removed"}};
    for (const EndCause cause : {EndCause::rights, EndCause::configuration})
        for (const auto& [reason, why] : reasons) {
            e.cause = cause;
            e.reject = reason;
            CHECK(log.of(e) == "info: the grant of tcp/22 for anna/laptop from 192.0.2.3 ends: " + std::string(why));
        }
}

TEST_CASE("sessions that are ended") {
    Log log;
    Event e = event_of(EventKind::session_ended);
    e.detail = "192.0.2.2 port 40001 at tcp/22 of 203.0.113.7 (nas)";
    e.more = "by a ban";
    CHECK(log.of(e) == "info: ended by a ban: the session of 192.0.2.2 port 40001 at tcp/22 of 203.0.113.7 (nas)");
    for (int i = 0; i < 1000; ++i)
        log.of(e);
    log.lines.clear();
    log.sink.on_tick(kNow.boot);
    REQUIRE(log.lines.size() == 1);
    CHECK(log.lines[0] == "warning: 401 more sessions were ended than logged");
    for (const EndCause cause : {EndCause::panic, EndCause::by_operator}) {
        e.cause = cause;
        CHECK(log.of(e) != "");
    }
}

TEST_CASE("bans and their ends") {
    Log log;
    Event e = of_action("ban", "203.0.113.7");
    e.more = "fail2ban sshd";
    e.prefix = Prefix::parse("203.0.113.7").value();
    e.lifetime = 600s;
    CHECK(log.of(e) == "info: banned 203.0.113.7 for 10m by the operator (uid 0): fail2ban sshd");
    e.more = "";
    e.lifetime = 0s;
    CHECK(log.of(e) == "info: banned 203.0.113.7 for ever by the operator (uid 0)");
    log.sink.set_dry_run(true);
    CHECK(log.of(e) == "info: would ban 203.0.113.7 for ever by the operator (uid 0)");
    log.sink.set_dry_run(false);
    e.prefix.reset();
    e.count = 1000;
    CHECK(log.of(e) == "info: banned 1000 addresses and networks for ever by the operator (uid 0)");
    e.failure = "the ban of 1000 addresses and networks counts, but it is not finished";
    log.lines.clear();
    log.sink.on_event(e);
    REQUIRE(log.lines.size() == 2);
    CHECK(log.lines[0] == "info: banned 1000 addresses and networks for ever by the operator (uid 0)");
    CHECK(log.lines[1] == "warning: " + e.failure);
    e.count = 0;
    e.failure = "no room";
    CHECK(log.of(e) == "");

    e = of_action("unban", "4 addresses and networks");
    CHECK(log.of(e) == ""); // there was none of them
    e.count = 3;
    CHECK(log.of(e) == "info: unbanned 4 addresses and networks by the operator (uid 0)");
    e.prefix = Prefix::parse("203.0.113.0/24").value();
    e.more = "sshd";
    CHECK(log.of(e) == "info: unbanned 203.0.113.0/24 by the operator (uid 0): sshd");
    e.others_remain = true;
    CHECK(log.of(e) == "info: took away a ban of 203.0.113.0/24 by the operator (uid 0): sshd");
    e.prefix.reset();
    e.all = true;
    CHECK(log.of(e) == "info: took away 3 bans of one owner by the operator (uid 0): sshd");
    e.more = "";
    CHECK(log.of(e) == "info: took away 3 bans by the operator (uid 0)");

    e = event_of(EventKind::unbanned);
    e.prefix = Prefix::parse("203.0.113.7").value();
    e.cause = EndCause::configuration;
    CHECK(log.of(e) == "info: unbanned 203.0.113.7: gate.allow or gate.never_ban contains it now");
    for (const EndCause cause : {EndCause::expired, EndCause::by_operator}) {
        e.cause = cause;
        CHECK(log.of(e) == "");
    }
    e.kind = EventKind::banned;
    CHECK(log.of(e) == ""); // the action has the line
}

TEST_CASE("what the operator does") {
    Log log;
    Event e = of_action("open", "ssh for 192.0.2.3");
    e.service = "ssh";
    e.address = Address::v4(192, 0, 2, 3);
    e.lifetime = 600s;
    CHECK(log.of(e) == "info: granted ssh for 192.0.2.3 by the operator (uid 0), for 10m");
    log.sink.set_dry_run(true);
    CHECK(log.of(e) == "info: would grant ssh for 192.0.2.3 by the operator (uid 0), for 10m");
    e = of_action("close", "anna and its sessions");
    e.count = 2;
    e.by = Operator{0, 1, 1000};
    CHECK(log.of(e) == "info: closed the grants of anna and its sessions by the operator (uid 0, login uid 1000): 2");
    e.by->name = "root";
    CHECK(log.of(e) ==
          "info: closed the grants of anna and its sessions by the operator (uid 0, root, login uid 1000): 2");
    e.by->login_name = "anna";
    CHECK(log.of(e) ==
          "info: closed the grants of anna and its sessions by the operator (uid 0, root, login uid 1000, anna): 2");
    CHECK(log.of(of_action("clock-accept", "")) == "warning: the wall clock was accepted by the operator (uid 0)");
    CHECK(log.of(of_action("unlock", "anna")) == ""); // `unlocked` has the line
    e = of_action("takeover", "");
    e.more = "T";
    CHECK(log.of(e) == "warning: taken over by the operator (uid 0): knocks made before T are refused");
    for (const char* verb : {"open", "close", "ban", "unban", "clock-accept", "unlock", "takeover"}) {
        e = of_action(verb, "anna");
        e.count = 0;
        e.failure = "there is no such user";
        CHECK(log.of(e) == "");
    }
    CHECK(log.of(of_action("reload", "")) == "info: the operator (uid 0) says \"reload\"");
    CHECK(log.of(of_action("confirm", "")) == "info: the operator (uid 0) says \"confirm\"");
    CHECK(log.of(of_action("panic", "--over")) == "info: the operator (uid 0) says \"panic --over\"");
    e = of_action("panic", "");
    e.count = 3;
    e.sessions = 2;
    CHECK(log.of(e) ==
          "info: the operator (uid 0) says \"panic\"|warning: 3 grants closed, 2 sessions ended; nobody is "
          "let in until \"knockctl panic --over\"");
    e.failure = "no";
    CHECK(log.of(e) == "info: the operator (uid 0) says \"panic\": not done");
    e = of_action("try", "5m");
    e.failure = "no";
    CHECK(log.of(e) == "info: the operator (uid 0) says \"try 5m\": not done");
    e = of_operator(EventKind::unlocked, "anna");
    CHECK(log.of(e) == "info: unlocked anna by the operator (uid 0)");
    e.by.reset();
    CHECK(log.of(e) == "info: unlocked anna by the operator");
    CHECK(log.of(event_of(EventKind::taken_over)) == ""); // the action has the line, or the hint that goes with it
}

TEST_CASE("what happens to the gate itself") {
    Log log;
    Event e = event_of(EventKind::locked);
    e.user = "anna";
    e.device = "laptop";
    CHECK(log.of(e) == "error: anna/laptop had too many wrong codes and is locked until \"knockctl unlock\"");
    e.lifetime = 30s;
    CHECK(log.of(e) == "");
    e = event_of(EventKind::reloaded);
    e.more = "/etc/xknock/xknock.yaml";
    e.count = 2;
    CHECK(log.of(e) == "info: reloaded /etc/xknock/xknock.yaml: 2 credentials");
    e.detail = "services; 1 device changed";
    CHECK(log.of(e) == "info: reloaded /etc/xknock/xknock.yaml: 2 credentials; services; 1 device changed");
    e = event_of(EventKind::repaired);
    e.more = "xknock";
    e.detail = "nft (pid 5)";
    e.count = 1;
    CHECK(log.of(e) == "info: table inet xknock was changed by nft (pid 5); the 1 grants are in its sets");
    e.bans = 2;
    CHECK(log.of(e) ==
          "warning: table inet xknock was changed by nft (pid 5); it is as it was again, with 1 grants and 2 bans");
    e = event_of(EventKind::attached);
    e.detail = "eth0";
    e.more = "native";
    CHECK(log.of(e) == "info: eth0: is there, and has the filter (native)");
    e.again = true;
    CHECK(log.of(e) == "warning: eth0: the filter was not attached any more and is again (native)");
    e.kind = EventKind::detached;
    e.more = "there is no such interface";
    CHECK(log.of(e) == ""); // it is an error with a hint, which is said until it is mended
    CHECK(log.of(event_of(EventKind::clock_wrong)).starts_with("error: the wall clock is wrong: it is behind knocks"));
    CHECK(log.of(event_of(EventKind::clock_right)) == "info: the wall clock is right again");
    e = event_of(EventKind::trial_begun);
    e.lifetime = 300s;
    CHECK(log.of(e) == "warning: on trial by the operator: everything is taken away in 5m unless \"knockctl confirm\" "
                       "comes before");
    e.again = true;
    CHECK(log.of(e) == "warning: on trial: everything is taken away in 5m unless \"knockctl confirm\" comes before");
    CHECK(log.of(of_operator(EventKind::trial_confirmed)) ==
          "info: the trial was confirmed by the operator: the gate stays");
    e = event_of(EventKind::trial_over);
    e.detail = "the ports are open";
    CHECK(log.of(e) == "critical: the trial is over and nobody confirmed it: ruleset, filter and grants were taken "
                       "away, the ports are open");
    e = event_of(EventKind::panic_begun);
    e.count = 3;
    CHECK(log.of(e) == "warning: panic: the operator closes everything");
    e.detail = "192.0.2.2 port 40002";
    CHECK(log.of(e) ==
          "warning: panic: the operator closes everything|warning: spared is the session of 192.0.2.2 port "
          "40002, from which it was called");
    CHECK(log.of(of_operator(EventKind::panic_over)) ==
          "warning: the operator says that the panic is over: knocks are let in again");
}

TEST_CASE("refusals and probes share a budget, whatever the sources, and the rest is told in one line") {
    Log log;
    Event e = of_anna(EventKind::knock_refused);
    e.reject = Reject::replay;
    for (unsigned i = 0; i < 100'000; ++i) {
        e.source = Address::v4(198, 51, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i));
        log.sink.on_event(e);
    }
    CHECK(log.lines.size() == 60);
    Event more = event_of(EventKind::refusals_suppressed); // those that did not even become events
    more.count = 1'000'000;
    CHECK(log.of(more) == "");
    log.sink.on_tick(kNow.boot);
    REQUIRE(log.lines.size() == 1);
    const unsigned left_out = 1'000'000 + 100'000 - 60;
    CHECK(log.lines[0] == "warning: " + std::to_string(left_out) + " more refusals and probes were not logged");
    log.sink.on_event(more);
    log.sink.on_tick(kNow.boot + 59s);
    CHECK(log.lines.size() == 1);
    log.sink.on_tick(kNow.boot + 60s);
    REQUIRE(log.lines.size() == 2);
    CHECK(log.lines[1] == "warning: 1000000 more refusals and probes were not logged");
}

TEST_CASE("grants have a budget of their own") {
    Log log;
    for (int i = 0; i < 10'000; ++i)
        log.sink.on_event(of_anna(i % 2 == 0 ? EventKind::grant_begun : EventKind::grant_prolonged));
    CHECK(log.lines.size() == 600);
    Event refused = of_anna(EventKind::knock_refused);
    refused.reject = Reject::stale;
    CHECK(log.of(refused) != "");
    log.lines.clear();
    log.sink.on_tick(kNow.boot);
    REQUIRE(log.lines.size() == 1);
    CHECK(log.lines[0] == "warning: 9400 more grants were opened or closed than logged");
}
