// SPDX-License-Identifier: MIT
//
// status, grants, users, stats: each reply with every field; and lists in whose middle another configuration counts.
#include "daemon/authz/sequences.h"
#include "daemon/verbs/open_modes.h"
#include "fixture.h"

#include <doctest/doctest.h>

using namespace xk;
using namespace xk::verbs::test;

namespace {

std::int64_t ns(BootTime t) { return t.time_since_epoch().count(); }

// `rows` of the list, and what `meanwhile` does behind the first one of them.
json ask_with_pause(VerbFixture& f, const char* verb, const std::function<void()>& meanwhile) {
    control::Reply answer = f.begin({{"verb", verb}});
    REQUIRE(answer.rest);
    REQUIRE(answer.rest(answer.json));
    meanwhile();
    while (answer.rest(answer.json)) {
    }
    return json::parse(answer.json);
}

} // namespace

TEST_CASE("status: a daemon that is well") {
    VerbFixture f;
    f.daemon.status = {.version = "0.1.0",
                       .pid = 1238,
                       .worker_pid = 1243,
                       .started = f.in(-2),
                       .dry_run = false,
                       .trial_left = {},
                       .owned = true,
                       .panic = false,
                       .panic_since = {},
                       .interfaces = {{"host0", "host0", "native", {}, ""}, {"lan", "ens3", "generic", {}, ""}},
                       .tags = 12,
                       .grants = 5,
                       .bans = 4,
                       .hooks = verbs::HookStatus{.running = true, .done = 12, .failed = 1, .dropped = 2},
                       .memory = "the copy of a clean stop",
                       .carrier = config::Carrier::named,
                       .clock_is_wrong = false};
    CHECK(f.ask({{"verb", "status"}}) == json::parse(R"({
        "bans": 4, "clock": "ok", "config": "/etc/xknock/xknock.yaml", "credentials": 3, "disabled": [],
        "dry_run": false, "gate": "table", "grants": 5, "handshakes": "ok",
        "hooks": {"running": true, "done": 12, "failed": 1, "dropped": 2}, "identity": "ok",
        "interfaces": [
            {"device": "host0", "mode": "native", "name": "host0", "reason": null, "since": null},
            {"device": "ens3", "mode": "generic", "name": "lan", "reason": null, "since": null}],
        "locked": 0, "memory": "the copy of a clean stop",
        "modes": [{"mode": "packet", "port": 62201, "ports": null, "odds_a_day": null, "devices": 3, "named": [
            {"user": "anna", "device": "laptop", "last_knock": null},
            {"user": "anna", "device": "robot", "last_knock": null},
            {"user": "bob", "device": "phone", "last_knock": null}]}],
        "owned": true, "panic": false, "panic_since": null,
        "pid": 1238, "port": 62201, "stealth": "drop", "tags": 12, "trial_ends_in_s": null, "uptime_s": 2,
        "version": "0.1.0", "worker_pid": 1243})"));
}

TEST_CASE("status: all that can be wrong") {
    VerbFixture f;
    auto config = FakeDaemon::make_config();
    config.answer_as_closed = true;
    config.gate_mode = config::GateMode::external;
    config.port = 4;
    config.disabled = {{"users/eve.yaml", {"users/eve.yaml:1:1: unknown key \"x\"", "and more"}}};
    f.daemon.set_config(config);
    f.daemon.states[0].locked_until = ns(f.in(1));
    f.daemon.states[1].locked_until = authz::kLockedForGood;
    f.daemon.states[2].locked_until = ns(f.in(-1)); // over
    f.daemon.status.dry_run = true;
    f.daemon.status.trial_left = std::chrono::seconds(299);
    f.daemon.status.panic = true;
    f.daemon.status.panic_since = f.now.wall;
    f.daemon.status.interfaces = {{"vpn0", "", "missing", f.now.wall, "there is no interface \"vpn0\""}};
    f.daemon.status.carrier = config::Carrier::another;
    f.daemon.status.clock_is_wrong = true;
    f.daemon.status.cannot_answer = true;
    const json status = f.ask({{"verb", "status"}});
    CHECK(status.at("stealth") == "closed");
    CHECK(status.at("gate") == "external");
    CHECK(status.at("port") == 4);
    CHECK(status.at("disabled") == json::parse(R"([{"file": "users/eve.yaml",
        "faults": ["users/eve.yaml:1:1: unknown key \"x\"", "and more"]}])"));
    CHECK(status.at("locked") == 2);
    CHECK(status.at("dry_run") == true);
    CHECK(status.at("trial_ends_in_s") == 299);
    CHECK(status.at("panic") == true);
    CHECK(status.at("panic_since") == "2025-11-21T11:50:07Z");
    CHECK(status.at("interfaces") == json::parse(R"([{"device": null, "mode": "missing", "name": "vpn0",
        "reason": "there is no interface \"vpn0\"", "since": "2025-11-21T11:50:07Z"}])"));
    CHECK(status.at("identity") == "copied");
    CHECK(status.at("clock") == "wrong");
    CHECK(status.at("handshakes") == "unanswered");
    CHECK(status.at("hooks") == nullptr);
    f.daemon.status.carrier = config::Carrier::unnamed;
    CHECK(f.ask({{"verb", "status"}}).at("identity") == "unnamed");
    f.daemon.status.carrier = config::Carrier::none;
    CHECK(f.ask({{"verb", "status"}}).at("identity") == "ok");
}

TEST_CASE("status: devices are counted one by one between other work, by one configuration") {
    VerbFixture f;
    const std::size_t devices = f.daemon.config()->policy.credentials.size();
    control::Reply answer = f.begin({{"verb", "status"}});
    REQUIRE(answer.rest);
    CHECK(answer.json.empty());
    std::size_t pieces = 0;
    while (answer.rest(answer.json)) {
        CHECK(answer.json.empty());
        f.daemon.set_config({}); // a reload that removes everybody
        ++pieces;
    }
    CHECK(pieces == devices);
    const json status = json::parse(answer.json);
    CHECK(status.at("credentials") == devices);
    CHECK(status.at("modes").at(0).at("devices") == devices);
}

TEST_CASE("status: the modes and listeners that are open, and for whom") {
    VerbFixture f;
    auto config = FakeDaemon::make_config();
    const auto modes = [](std::initializer_list<authz::KnockMode> list) {
        std::bitset<authz::kKnockModes> bits;
        for (const auto mode : list)
            bits.set(static_cast<std::size_t>(mode));
        return bits;
    };
    using enum authz::KnockMode;
    auto& credentials = config.policy.credentials;
    credentials[0].modes = modes({handshake, c_lock});
    credentials[1].modes = modes({sequence});
    credentials[2].modes = modes({capyknock});
    config.policy.settings.sequence.ports = 7;
    config.policy.settings.c_lock.ports = 5;
    config.c_lock.attempts_per_hour = 20;
    config.capyknock_port = 5001;
    config.fwknop_port = 62201;
    f.daemon.set_config(config);
    f.daemon.states[2].last_accepted = std::chrono::microseconds(f.now.wall.time_since_epoch()).count();
    json all = f.ask({{"verb", "status"}}).at("modes");
    REQUIRE(all.size() == 6);
    CHECK(all[0].at("mode") == "packet"); // for nobody, but the port is there
    CHECK(all[0].at("devices") == 0);
    CHECK(all[1].at("odds_a_day") == authz::guess_odds(1, 7));
    CHECK(all[2].at("odds_a_day") == authz::clock_guess_odds(1, 20));
    for (json& mode : all)
        mode.erase("odds_a_day");
    CHECK(all[1] == json::parse(R"({"mode": "sequence", "port": null, "ports": 7, "devices": 1, "named": [
        {"user": "anna", "device": "robot", "last_knock": null}]})"));
    CHECK(all[2] == json::parse(R"({"mode": "c-lock", "port": null, "ports": 5, "devices": 1, "named": [
        {"user": "anna", "device": "laptop", "last_knock": null}]})"));
    CHECK(all[3] == json::parse(R"({"mode": "handshake", "port": 62201, "ports": null, "devices": 1, "named": [
        {"user": "anna", "device": "laptop", "last_knock": null}]})"));
    CHECK(all[4] == json::parse(R"({"mode": "capyknock", "port": 5001, "ports": null, "devices": 1, "named": [
        {"user": "bob", "device": "phone", "last_knock": "2025-11-21T11:50:07Z"}]})"));
    CHECK(all[5] == json::parse(R"({"mode": "fwknop", "port": 62201, "ports": null, "devices": 0, "named": []})"));

    credentials[0].enabled = false; // the filter may still look for its sequences, but nobody gets in by them
    config.capyknock_port = config.fwknop_port = 0;
    f.daemon.set_config(config);
    all = f.ask({{"verb", "status"}}).at("modes");
    REQUIRE(all.size() == 3);
    CHECK(all[1].at("mode") == "sequence");
    CHECK(all[2].at("mode") == "capyknock");
    CHECK(all[2].at("port") == nullptr); // a device is there, and no listener

    auto many = FakeDaemon::make_config();
    many.policy.credentials.resize(verbs::kMostNamedDevices + 1, many.policy.credentials[2]);
    f.daemon.set_config(many);
    all = f.ask({{"verb", "status"}}).at("modes");
    CHECK(all[0].at("devices") == verbs::kMostNamedDevices + 1);
    CHECK(all[0].at("named").size() == verbs::kMostNamedDevices);
}

TEST_CASE("grants: holders are named by the configuration, even where it does not know them any more") {
    VerbFixture f;
    f.daemon.grants = {
        make_grant("192.0.2.2", 22, "ssh", {{kPhone, f.in(29)}, {kLaptop, f.in(28)}}),
        make_grant("192.0.2.3", 80, "", {{kGone, f.in(0)}}),
        make_grant("192.0.2.4", 80, "web", {{authz::kOperator, f.in(600)}}),
    };
    f.daemon.grants[0].endpoint = "tcp/22 of 198.51.100.7";
    CHECK(f.ask({{"verb", "grants"}}) == json::parse(R"({"grants": [
        {"address": "192.0.2.2", "endpoint": "tcp/22 of 198.51.100.7", "expires_in_s": 29, "service": "ssh",
         "holders": [
            {"credential": "0201000000000000", "device": "phone", "expires_in_s": 29, "user": "bob"},
            {"credential": "0101000000000000", "device": "laptop", "expires_in_s": 28, "user": "anna"}]},
        {"address": "192.0.2.3", "endpoint": "tcp/80", "expires_in_s": 0, "service": "", "holders": [
            {"credential": "0909000000000000", "device": "", "expires_in_s": 0, "user": ""}]},
        {"address": "192.0.2.4", "endpoint": "tcp/80", "expires_in_s": 600, "service": "web", "holders": [
            {"credential": "ffffffffffffffff", "device": "", "expires_in_s": 600, "user": "operator"}]}]})"));
    f.daemon.grants.clear();
    CHECK(f.ask({{"verb", "grants"}}) == json::parse(R"({"grants": []})"));
}

TEST_CASE("seconds that are left are rounded up, and never less than none") {
    VerbFixture f;
    const auto left = [&](std::chrono::nanoseconds more) {
        f.daemon.grants = {make_grant("192.0.2.2", 22, "ssh", {{kPhone, f.now.boot + more}})};
        return f.ask({{"verb", "grants"}}).at("grants").at(0).at("expires_in_s").get<int>();
    };
    CHECK(left(std::chrono::nanoseconds(1)) == 1);
    CHECK(left(std::chrono::seconds(1)) == 1);
    CHECK(left(std::chrono::milliseconds(1001)) == 2);
    CHECK(left(std::chrono::seconds(-3)) == 0);
}

TEST_CASE("grants: a list in whose middle grants come and go, and a reload takes a user away") {
    VerbFixture f;
    f.daemon.grants = {make_grant("192.0.2.2", 22, "ssh", {{kPhone, f.in(30)}}),
                       make_grant("192.0.2.4", 22, "ssh", {{kPhone, f.in(30)}}),
                       make_grant("192.0.2.6", 22, "ssh", {{kPhone, f.in(30)}})};
    const json reply = ask_with_pause(f, "grants", [&] {
        auto config = FakeDaemon::make_config();
        config.policy.credentials.pop_back();
        config.policy.make_index();
        f.daemon.set_config(config); // the one of before is gone
        f.daemon.grants = {make_grant("192.0.2.1", 22, "ssh", {{kPhone, f.in(30)}}),
                           make_grant("192.0.2.5", 22, "", {{kPhone, f.in(30)}}),
                           make_grant("192.0.2.6", 22, "", {{kLaptop, f.in(30)}})};
        f.now.boot += std::chrono::seconds(10);
    });
    std::vector<std::string> seen;
    for (const json& grant : reply.at("grants"))
        seen.push_back(grant.at("address").get<std::string>() + " " +
                       grant.at("holders").at(0).at("user").get<std::string>() + " " + grant.at("expires_in_s").dump());
    CHECK(seen == std::vector<std::string>{"192.0.2.2 bob 30", "192.0.2.5  20", "192.0.2.6 anna 20"});
}

TEST_CASE("users: each device with all its fields") {
    VerbFixture f;
    auto& laptop = f.daemon.states[0];
    laptop.locked_until = ns(f.in(30));
    laptop.failures = 6;
    laptop.accepted = 1;
    laptop.last_accepted = f.now.wall.time_since_epoch().count();
    laptop.last_address = address_of("192.0.2.2");
    CHECK(f.ask({{"verb", "users"}}) == json::parse(R"({"disabled": [], "users": [
        {"user": "anna", "device": "laptop", "id": "0101000000000000", "factor": "totp", "modes": ["packet"],
         "services": ["ssh", "web", "vpn"], "status": "locked for 30s", "wrong_codes": 6, "knocks": 1,
         "last_knock": "2025-11-21T11:50:07Z", "last_address": "192.0.2.2"},
        {"user": "anna", "device": "robot", "id": "0102000000000000", "factor": "hmac", "modes": ["packet"],
         "services": ["ssh", "web"], "status": "ok", "wrong_codes": 0, "knocks": 0,
         "last_knock": null, "last_address": null},
        {"user": "bob", "device": "phone", "id": "0201000000000000", "factor": "none", "modes": ["packet"],
         "services": ["ssh"], "status": "ok", "wrong_codes": 0, "knocks": 0,
         "last_knock": null, "last_address": null}]})"));
}

TEST_CASE("users: of one user alone") {
    VerbFixture f;
    const auto devices = [&](const std::string& user) {
        std::string all;
        const json reply = f.ask({{"verb", "users"}, {"user", user}});
        for (const json& one : reply.at("users"))
            all += one.at("user").get<std::string>() + "/" + one.at("device").get<std::string>() + " ";
        return all;
    };
    CHECK(devices("anna") == "anna/laptop anna/robot ");
    CHECK(devices("bob") == "bob/phone ");
    CHECK(devices("carl").empty());
    CHECK(devices("anna/laptop").empty()); // a user, not a device
    CHECK(f.ask_wrong({{"verb", "users"}, {"user", 1}}) == "a field of the request has the wrong type: \"user\"||2");
}

TEST_CASE("users: every status") {
    VerbFixture f;
    const auto status = [&](const std::function<void(authz::Credential&, authz::CredentialState&)>& make) {
        auto config = FakeDaemon::make_config();
        f.daemon.states.clear();
        make(config.policy.credentials[0], f.daemon.states[0]);
        f.daemon.set_config(config);
        return f.ask({{"verb", "users"}}).at("users").at(0).at("status").get<std::string>();
    };
    CHECK(status([](auto& c, auto&) { c.enabled = false; }) == "disabled");
    CHECK(status([&](auto& c, auto&) { c.valid_from = f.now.wall + std::chrono::seconds(1); }) == "not yet valid");
    CHECK(status([&](auto& c, auto&) { c.valid_until = f.now.wall; }) == "expired");
    CHECK(status([&](auto&, auto& s) { s.locked_until = ns(f.in(60)); }) == "locked for 1m");
    CHECK(status([](auto&, auto& s) { s.locked_until = authz::kLockedForGood; }) == "locked");
    CHECK(status([&](auto&, auto& s) { s.locked_until = ns(f.in(0)); }) == "ok");
}

TEST_CASE("users: a list shows the configuration in which it began, even where a reload comes in the middle") {
    VerbFixture f;
    auto before = FakeDaemon::make_config();
    before.disabled = {{"users/eve.yaml", {"a fault"}}};
    f.daemon.set_config(std::move(before));
    const json reply = ask_with_pause(f, "users", [&] {
        auto config = FakeDaemon::make_config();
        config.policy.credentials.clear();
        config.policy.services.clear();
        config.policy.make_index();
        f.daemon.set_config(config); // nobody but the list holds the one of before
        f.daemon.states[2].accepted = 7;
    });
    REQUIRE(reply.at("users").size() == 3);
    CHECK(reply.at("users").at(2).at("user") == "bob");
    CHECK(reply.at("users").at(2).at("services") == json{"ssh"});
    CHECK(reply.at("users").at(2).at("knocks") == 7);
    CHECK(reply.at("disabled").size() == 1);
    CHECK(f.ask({{"verb", "users"}}) == json::parse(R"({"users": [], "disabled": []})"));
}

TEST_CASE("stats: every counter has its name") {
    VerbFixture f;
    f.daemon.judgement.rejects[static_cast<std::size_t>(authz::Reject::wrong_code)] = 6;
    f.daemon.judgement.accepted = {99, 5, 4, 3, 2, 99, 99, 99};
    f.daemon.judgement.retries = 1;
    const json stats = f.ask({{"verb", "stats"}});
    CHECK(stats.at("filter") == json{{"candidate", 11}, {"seen", 2}});
    CHECK(stats.at("accepted") == json{{"open", 5}, {"close", 4}, {"close-all", 3}, {"probe", 2}});
    CHECK(stats.at("retries") == 1);
    CHECK(stats.at("refused").size() == authz::kRejects);
    CHECK(stats.at("refused").at("wrong-code") == 6);
    CHECK(stats.at("refused").at("panic") == 0);
    CHECK(stats.at("events").at("kinds").at("unbanned") == 0);
    CHECK(stats.at("events").at("kinds").size() == authz::kEventKinds);
    CHECK(stats.size() == 5);
}

TEST_CASE("stats: events that a sink did not get, because it had taken too much time") {
    struct Slow : authz::EventSink {
        BootTime* clock = nullptr;
        void on_event(const authz::Event&) override { *clock += std::chrono::hours(1); }
    } slow;
    VerbFixture f;
    slow.clock = &f.daemon.events_clock;
    f.daemon.events_handed_out.add("log", slow);
    for (int i = 0; i < 3; ++i)
        f.daemon.events_handed_out.on_event({});
    CHECK(f.ask({{"verb", "stats"}}).at("events").at("lost") == json{{"log", {{"failed", 0}, {"slow", 2}}}});
}

TEST_CASE("stats: events that a sink lost, and events that no sink got") {
    struct Throwing : authz::EventSink {
        void on_event(const authz::Event&) override { throw 1; }
    } throwing;
    struct Endless : authz::EventSink {
        events::Events* all = nullptr;
        void on_event(const authz::Event& event) override {
            all->on_event(event);
            all->on_event(event);
        }
    } endless;
    VerbFixture f;
    f.daemon.events_handed_out.add("hooks", throwing);
    f.daemon.events_handed_out.on_event({});
    f.daemon.events_handed_out.on_event({});
    json events = f.ask({{"verb", "stats"}}).at("events");
    CHECK(events.at("lost") == json{{"hooks", {{"failed", 2}, {"slow", 0}}}});
    CHECK(events.at("dropped") == 0);
    endless.all = &f.daemon.events_handed_out;
    f.daemon.events_handed_out.add("log", endless);
    f.daemon.events_handed_out.on_event({});
    events = f.ask({{"verb", "stats"}}).at("events");
    CHECK(events.at("dropped") == f.daemon.events_handed_out.dropped());
    CHECK(events.at("dropped") > 0);
    CHECK(events.at("lost").size() == 2);
}
