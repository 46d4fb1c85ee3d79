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
    LogSink sink{events::Kinds().set(), [this](LogSink::Level level, const std::string& line) {
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
    e = of_anna(EventKind::grant_begun);
    e.user = "operator";
    e.device = "";
    e.lifetime = 600s;
    CHECK(log.of(e) == "info: granted ssh for 192.0.2.3 by the operator, for 10m");
    log.sink.set_dry_run(true);
    CHECK(log.of(e) == "info: would grant ssh for 192.0.2.3 by the operator, for 10m");
    CHECK(log.of(of_anna(EventKind::grant_begun)).starts_with("info: would grant anna/laptop ssh from 192.0.2.3"));
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
    e.all = true;
    e.count = 3;
    CHECK(log.of(e) == "info: closed all grants of anna/laptop: 3");
    log.sink.set_dry_run(true);
    CHECK(log.of(e) == "info: would close all grants of anna/laptop: 3");
    e.all = false;
    e.cause = EndCause::rights;
    e.reject = Reject::hours;
    CHECK(log.of(e) == "info: the grant of tcp/22 for anna/laptop from 192.0.2.3 ends: not one of their hours");
    e.all = true;
    CHECK(log.of(e) == "info: and 3 more grants of those who may not hold them any more");
}

TEST_CASE("sessions that are ended") {
    Log log;
    Event e = event_of(EventKind::session_ended);
    e.detail = "192.0.2.2 port 40001 at tcp/22 of 203.0.113.7 (nas)";
    const std::pair<EndCause, const char*> whys[] = {{EndCause::banned, "by a ban"},
                                                     {EndCause::panic, "by the panic"},
                                                     {EndCause::by_operator, "by the operator"},
                                                     {EndCause::rights, "with the right to it"},
                                                     {EndCause::configuration, "with the right to it"},
                                                     {EndCause::expired, "with its grant"}};
    for (const auto& [cause, why] : whys) {
        e.cause = cause;
        CHECK(log.of(e) == "info: ended " + std::string(why) +
                               ": the session of 192.0.2.2 port 40001 at tcp/22 of 203.0.113.7 (nas)");
    }
    e.detail = "";
    e.count = 7;
    CHECK(log.of(e) == "info: ended with its grant: 7 more sessions");
}

TEST_CASE("bans and their ends") {
    Log log;
    Event e = of_operator(EventKind::banned, "fail2ban sshd");
    e.prefix = Prefix::parse("203.0.113.7").value();
    e.lifetime = 600s;
    CHECK(log.of(e) == "info: banned 203.0.113.7 for 10m: fail2ban sshd");
    e.detail = "";
    e.lifetime = 0s;
    CHECK(log.of(e) == "info: banned 203.0.113.7 for ever");
    log.sink.set_dry_run(true);
    CHECK(log.of(e) == "info: would ban 203.0.113.7 for ever");
    log.sink.set_dry_run(false);
    e.prefix.reset();
    e.count = 1000;
    CHECK(log.of(e) == "info: banned 1000 addresses and networks for ever");

    e.kind = EventKind::unbanned;
    CHECK(log.of(e) == "info: unbanned 1000 addresses and networks");
    e.prefix = Prefix::parse("203.0.113.0/24").value();
    e.detail = "sshd";
    CHECK(log.of(e) == "info: unbanned 203.0.113.0/24: sshd");
    e.others_remain = true;
    CHECK(log.of(e) == "info: took away a ban of 203.0.113.0/24: sshd");
    e.prefix.reset();
    e.all = true;
    CHECK(log.of(e) == "info: took away 1000 bans of one owner: sshd");
    e.detail = "";
    CHECK(log.of(e) == "info: took away 1000 bans");
    e = event_of(EventKind::unbanned);
    e.prefix = Prefix::parse("203.0.113.7").value();
    e.cause = EndCause::configuration;
    CHECK(log.of(e) == "info: unbanned 203.0.113.7: gate.allow or gate.never_ban holds it now");
    e.cause = EndCause::expired;
    CHECK(log.of(e) == "");
}

TEST_CASE("what happens to the gate itself") {
    Log log;
    Event e = event_of(EventKind::locked);
    e.user = "anna";
    e.device = "laptop";
    CHECK(log.of(e) == "error: anna/laptop had too many wrong codes and is locked until \"knockctl unlock\"");
    e.lifetime = 30s;
    CHECK(log.of(e) == "");
    CHECK(log.of(of_operator(EventKind::unlocked, "anna")) == "info: unlocked anna by the operator");
    e = of_operator(EventKind::reloaded, "services");
    CHECK(log.of(e) == "info: reloaded: services");
    e.more = "/etc/xknock/xknock.yaml";
    e.count = 2;
    CHECK(log.of(e) == "info: reloaded /etc/xknock/xknock.yaml: 2 credentials");
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
    CHECK(log.of(e) == "warning: eth0: is there, and has the filter (native)");
    e.again = true;
    CHECK(log.of(e) == "warning: eth0: the filter was not attached any more and is again (native)");
    e.kind = EventKind::detached;
    e.more = "there is no such interface";
    CHECK(log.of(e) == "warning: eth0 has no filter, and knocks are not heard there: there is no such interface");
    CHECK(log.of(event_of(EventKind::clock_wrong)).starts_with("error: the wall clock is wrong: it is behind knocks"));
    CHECK(log.of(event_of(EventKind::clock_right)) == "info: the wall clock is right again");
    e = of_operator(EventKind::trial_begun);
    e.lifetime = 300s;
    CHECK(log.of(e) == "warning: on trial by the operator: everything is taken away in 5m unless \"knockctl confirm\" "
                       "comes before");
    e.by.reset();
    CHECK(log.of(e) == "warning: on trial: everything is taken away in 5m unless \"knockctl confirm\" comes before");
    CHECK(log.of(of_operator(EventKind::trial_confirmed)) ==
          "info: the trial was confirmed by the operator: the gate stays");
    e = event_of(EventKind::trial_over);
    CHECK(log.of(e) == "warning: stopped while on trial: ruleset and filter are gone, the ports are open; a start goes "
                       "on with it");
    e.cause = EndCause::expired;
    e.detail = "the ports are open";
    CHECK(log.of(e) == "critical: the trial is over and nobody confirmed it: ruleset, filter and grants were taken "
                       "away, the ports are open");
    e = of_operator(EventKind::panic_begun);
    e.count = 3;
    e.sessions = 2;
    CHECK(log.of(e) == "warning: panic: the operator closes everything|warning: 3 grants closed, 2 sessions ended; "
                       "nobody is let in until \"knockctl panic --over\"");
    e.detail = "192.0.2.2 port 40002";
    CHECK(log.of(e).find("|warning: spared is the session of 192.0.2.2 port 40002, from which it was called|") !=
          std::string::npos);
    CHECK(log.of(of_operator(EventKind::panic_over)) ==
          "warning: the operator says that the panic is over: knocks are let in again");
    CHECK(log.of(of_operator(EventKind::taken_over, "taken over by the operator: knocks made before T are refused")) ==
          "warning: taken over by the operator: knocks made before T are refused");
    e = of_operator(EventKind::operator_action, "anna/laptop");
    e.verb = "close";
    CHECK(log.of(e) == "info: operator (uid 0): close anna/laptop");
    e.failure = "nobody of that name";
    CHECK(log.of(e) == "info: operator (uid 0): close anna/laptop: not done: nobody of that name");
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

TEST_CASE("grants have a budget of their own, and the operator's have none") {
    Log log;
    for (int i = 0; i < 10'000; ++i)
        log.sink.on_event(of_anna(i % 2 == 0 ? EventKind::grant_begun : EventKind::grant_prolonged));
    CHECK(log.lines.size() == 600);
    Event e = of_anna(EventKind::grant_begun);
    e.by = Operator{0, 1, {}};
    CHECK(log.of(e) != "");
    Event refused = of_anna(EventKind::knock_refused);
    refused.reject = Reject::stale;
    CHECK(log.of(refused) != "");
    log.lines.clear();
    log.sink.on_tick(kNow.boot);
    REQUIRE(log.lines.size() == 1);
    CHECK(log.lines[0] == "warning: 9400 more grants were opened or closed than logged");
}

TEST_CASE("a kind that is switched off prints nothing, and every kind has its place") {
    std::vector<std::string> lines;
    LogSink sink(events::Kinds(), [&](LogSink::Level, const std::string& line) { lines.push_back(line); });
    for (std::size_t i = 0; i <= kEventKinds; ++i) {
        Event e = of_anna(static_cast<EventKind>(i));
        e.reject = Reject::stale;
        sink.on_event(e);
    }
    sink.on_tick(kNow.boot);
    CHECK(lines.empty());
}
