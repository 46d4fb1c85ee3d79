// SPDX-License-Identifier: MIT
//
// open, close, panic, unlock, reload, try, confirm, clock-accept, takeover: what is done for which request, each reply
// and each refusal.
#include "fixture.h"

#include <doctest/doctest.h>

using namespace xk;
using namespace xk::verbs::test;

namespace {

const json kSession = {{"remote", "192.0.2.9"}, {"remote_port", 40000}, {"local", "192.0.2.1"}, {"local_port", 22}};

std::string last_call(const VerbFixture& f) { return f.daemon.calls.empty() ? "" : f.daemon.calls.back(); }

json open_request(json more = json::object()) {
    json request = {{"verb", "open"}, {"address", "192.0.2.9"}, {"service", "ssh"}};
    request.update(more);
    return request;
}

} // namespace

TEST_CASE("open: a service, a port, a port of a host behind, for a time and for one connection") {
    VerbFixture f;
    CHECK(f.ask(open_request()) == json{{"address", "192.0.2.9"}, {"service", "ssh"}, {"expires_in_s", 600}});
    CHECK(last_call(f) == "open 192.0.2.9 " + std::to_string(service_id("ssh")) + " none/0 :: 0");
    CHECK(f.log() == "info granted ssh for 192.0.2.9 by the operator (uid 1000), for 10m\n");
    f.ask(open_request({{"service", "tcp/22"}, {"seconds", 60}, {"single", true}}));
    CHECK(last_call(f) == "open 192.0.2.9 0 tcp/22 :: 60 single");
    f.ask(open_request({{"service", "tcp/22@203.0.113.7"}, {"address", "::ffff:192.0.2.9"}}));
    CHECK(last_call(f) == "open 192.0.2.9 0 tcp/22 203.0.113.7 0");
    f.ask(open_request({{"service", "all"}, {"seconds", 4'294'967'295}}));
    CHECK(last_call(f) == "open 192.0.2.9 " + std::to_string(service_id("all")) + " none/0 :: 4294967295");
    f.daemon.opened.answer = authz::Answer::waiting; // it will be done in a moment
    CHECK(f.ask(open_request()).at("service") == "ssh");
    f.sink.lines.set_dry_run(true);
    f.ask(open_request());
    CHECK(f.log().ends_with("info would grant ssh for 192.0.2.9 by the operator (uid 1000), for 10m\n"));
}

TEST_CASE("open: every refusal") {
    VerbFixture f;
    const auto refusal = [&](authz::Answer answer, json more = json::object()) {
        f.daemon.opened = {.answer = answer, .service = {}, .lifetime = {}, .error = {}};
        return f.ask_wrong(open_request(std::move(more)));
    };
    CHECK(refusal(authz::Answer::banned) == "192.0.2.9 is banned|knockctl bans|1");
    CHECK(refusal(authz::Answer::own_address) == "192.0.2.9 is an address of this host||1");
    CHECK(refusal(authz::Answer::limit) ==
          "there are as many open grants as there may be|gate.max_grants; 64 of the operator's|1");
    CHECK(refusal(authz::Answer::failed) == "nf_tables refused||1");
    CHECK(refusal(authz::Answer::refused) ==
          "there is no service \"ssh\", or no grant is opened for 192.0.2.9|services are named in "
          "/etc/xknock/xknock.yaml|1");
    CHECK(refusal(authz::Answer::refused, {{"single", true}}) ==
          "there is no service \"ssh\", or no grant is opened for 192.0.2.9, or it is not for one connection (a range, "
          "or after: cut)|services are named in /etc/xknock/xknock.yaml|1");
    CHECK(f.log().empty());
    f.daemon.calls.clear();
    CHECK(f.ask(open_request({{"address", "localhost"}})).at("exit") == 2);
    CHECK(f.ask(open_request({{"address", ""}})).at("exit") == 2);
    CHECK(f.ask(open_request({{"service", "tcp/0x16"}})).at("exit") == 2);
    CHECK(f.ask({{"verb", "open"}}).at("exit") == 2);
    CHECK(f.daemon.calls.empty());
}

TEST_CASE("close: an address, a network, a user, a device") {
    VerbFixture f;
    CHECK(f.ask({{"verb", "close"}, {"what", "192.0.2.2"}}) == json{{"closed", 4}});
    CHECK(f.log() == "info closed the grants of 192.0.2.2 by the operator (uid 1000): 4\n");
    CHECK(f.ask({{"verb", "close"}, {"what", "0.0.0.0/0"}, {"cut", false}}) == json{{"closed", 4}});
    CHECK(f.ask({{"verb", "close"}, {"what", "anna"}}) == json{{"closed", 2}});
    CHECK(f.ask({{"verb", "close"}, {"what", "anna/robot"}}) == json{{"closed", 1}});
    CHECK(f.daemon.calls ==
          std::vector<std::string>{"close 192.0.2.2", "close 0.0.0.0/0", "close 1.1 1.2", "close 1.2"});
    for (const char* nobody : {"nobody", "", "anna/", "ann", "192.0.2.2/24", "anna/laptop/"})
        CHECK(f.ask_wrong({{"verb", "close"}, {"what", nobody}}) ==
              "\"" + std::string(nobody) + "\" is neither an address nor a user|knockctl users|1");
    CHECK(f.ask_wrong({{"verb", "close"}}) == "\"\" is neither an address nor a user|knockctl users|1");
    CHECK(f.daemon.calls.size() == 4);
}

TEST_CASE("close with cut: sessions end too, but not the caller's") {
    VerbFixture f;
    f.daemon.sessions = {.ended = 2, .shared = 0};
    CHECK(f.ask({{"verb", "close"}, {"what", "192.0.2.0/24"}, {"cut", true}, {"caller", kSession}}) ==
          json{{"closed", 4}, {"ended", 2}, {"shared", 0}});
    CHECK(f.daemon.calls ==
          std::vector<std::string>{"close 192.0.2.0/24", "end 192.0.2.0/24 but 192.0.2.9:40000 to 192.0.2.1:22"});
    f.daemon.sessions = {.ended = 1, .shared = 3};
    CHECK(f.ask({{"verb", "close"}, {"what", "bob"}, {"cut", true}}) ==
          json{{"closed", 1}, {"ended", 1}, {"shared", 3}});
    CHECK(last_call(f) == "end 2.1");
    CHECK(f.log().ends_with(
        "warning sessions at 3 grants may be those of bob, or of others who had a grant there: "
        "they live on\ninfo closed the grants of bob and its sessions by the operator (uid 1000): 1\n"));
    // The grants are closed, and the reply says so where the sessions cannot be ended.
    f.daemon.failing = "end";
    CHECK(f.ask_wrong({{"verb", "close"}, {"what", "bob"}, {"cut", true}}) ==
          "the grants of \"bob\" are closed (1), but end failed|look at end|1");
    f.daemon.hint = false;
    CHECK(
        f.ask_wrong({{"verb", "close"}, {"what", "192.0.2.0/24"}, {"cut", true}}) ==
        "the grants of \"192.0.2.0/24\" are closed (4), but end failed|try again: it ends the sessions that live on|1");
    f.daemon.failing.clear();
    f.daemon.dry_run = true; // there are none to end
    CHECK(f.ask({{"verb", "close"}, {"what", "bob"}, {"cut", true}}) == json{{"closed", 1}});
    CHECK(last_call(f) == "close 2.1");
}

TEST_CASE("panic: closes grants, spares the caller, says whether it is on the disk, and ends") {
    VerbFixture f;
    f.daemon.panic = {.grants = 7, .sessions = 12, .outlives_restart = true};
    CHECK(f.ask({{"verb", "panic"}, {"caller", kSession}}) ==
          json{{"closed", 7}, {"ended", 12}, {"outlives_restart", true}});
    CHECK(last_call(f) == "panic but 192.0.2.9:40000 to 192.0.2.1:22");
    CHECK(f.log() == "info the operator (uid 1000) says \"panic\"\nwarning 7 grants closed, 12 sessions ended; nobody "
                     "is let in until \"knockctl panic --over\"\n");
    f.daemon.panic.outlives_restart = false;
    CHECK(f.ask({{"verb", "panic"}, {"over", false}}).at("outlives_restart") == false);
    CHECK(last_call(f) == "panic");
    CHECK(f.ask({{"verb", "panic"}, {"over", true}}) == json{{"over", true}});
    CHECK(f.ask({{"verb", "panic"}, {"over", true}}) == json{{"over", false}}); // there is none any more
    CHECK(f.log().ends_with("info the operator (uid 1000) says \"panic --over\"\n"));
}

TEST_CASE("unlock: a user's devices, or one; the first failure is the end, and those before it have their event") {
    VerbFixture f;
    CHECK(f.ask({{"verb", "unlock"}, {"what", "anna"}}) == json{{"unlocked", 2}});
    CHECK(f.ask({{"verb", "unlock"}, {"what", "bob/phone"}}) == json{{"unlocked", 1}});
    CHECK(f.daemon.calls == std::vector<std::string>{"unlock 0", "unlock 1", "unlock 2"});
    for (const char* nobody : {"", "nobody", "192.0.2.2", "anna/phone"})
        CHECK(f.ask_wrong({{"verb", "unlock"}, {"what", nobody}}) ==
              "there is no user or device \"" + std::string(nobody) + "\"|knockctl users|1");
    CHECK(f.ask_wrong({{"verb", "unlock"}}) == "there is no user or device \"\"|knockctl users|1");
    f.daemon.calls.clear();
    f.sink.events.clear();
    f.daemon.failing = "unlock 1";
    CHECK(f.ask_wrong({{"verb", "unlock"}, {"what", "anna"}}) ==
          "1 of 2 devices are unlocked: unlock failed|look at unlock|1");
    REQUIRE(f.sink.events.size() == 2); // it and the action
    CHECK(f.sink.events[0].kind == authz::EventKind::unlocked);
    CHECK(f.sink.events[0].count == 1);
    f.daemon.calls.clear();
    f.daemon.failing = "unlock";
    CHECK(f.ask_wrong({{"verb", "unlock"}, {"what", "anna"}}) == "unlock failed|look at unlock|1");
    CHECK(f.daemon.calls == std::vector<std::string>{"unlock 0"});
    CHECK(f.sink.events.size() == 3); // the action alone
}

TEST_CASE("reload: the reply shows the configuration that counts afterwards") {
    VerbFixture f;
    f.daemon.warnings = {"no filter on vpn0: there is no such interface"};
    f.daemon.during_call = [&] {
        auto config = FakeDaemon::make_config();
        config.file = "/etc/xknock/other.yaml";
        config.warnings = {"a warning"};
        config.disabled = {{"users/eve.yaml", {"a fault"}}};
        f.daemon.set_config(config);
    };
    CHECK(f.ask({{"verb", "reload"}}) == json::parse(R"({"reloaded": "/etc/xknock/other.yaml",
        "warnings": ["a warning", "no filter on vpn0: there is no such interface"],
        "disabled": [{"file": "users/eve.yaml", "faults": ["a fault"]}]})"));
    CHECK(f.log() == "info the operator (uid 1000) says \"reload\"\n");
    f.daemon.failing = "reload";
    CHECK(f.ask_wrong({{"verb", "reload"}}) == "reload failed|look at reload|1");
    CHECK(f.log().ends_with("error reload failed\nerror hint: look at reload\n"
                            "info the operator (uid 1000) says \"reload\": not done\n"));
}

TEST_CASE("reload: of some users alone") {
    VerbFixture f;
    CHECK(f.ask({{"verb", "reload"}, {"users", {"bob", "anna", "bob"}}, {"change", "bob: dis\nabled"}})
              .contains("reloaded"));
    CHECK(f.daemon.calls == std::vector<std::string>{"reload-users anna bob"});
    CHECK(f.log() == "info the operator (uid 1000) says \"reload bob, anna, bob: bob: dis\\x0aabled\"\n");
    CHECK(f.ask_wrong({{"verb", "reload"}, {"users", json::array()}}) ==
          "\"users\" names nobody|leave the field out to read the whole configuration|2");
    CHECK(f.ask_wrong({{"verb", "reload"}, {"users", {"an/na"}}}) == "\"an/na\" is not a user's name||2");
    CHECK(f.ask_wrong({{"verb", "reload"}, {"users", "anna"}}) ==
          "a field of the request has the wrong type: \"users\"||2");
    CHECK(f.daemon.calls.size() == 1);
    f.daemon.failing = "reload-users";
    CHECK(f.ask_wrong({{"verb", "reload"}, {"users", {"anna"}}}) == "reload-users failed|look at reload-users|1");
    // Nobody is told of a change that the caller only claims.
    f.daemon.failing.clear();
    (void)f.ask({{"verb", "reload"}, {"change", "anna: disabled"}});
    CHECK(f.log().ends_with("says \"reload\"\n"));
}

TEST_CASE("try and confirm: times up to the longest, and the daemon's own errors") {
    VerbFixture f;
    CHECK(f.ask({{"verb", "try"}, {"seconds", 300}}) == json{{"trial_ends_in_s", 300}});
    CHECK(f.ask({{"verb", "try"}, {"seconds", 604'800}}) == json{{"trial_ends_in_s", 604'800}});
    CHECK(f.daemon.calls == std::vector<std::string>{"try 300", "try 604800"});
    CHECK(f.log().starts_with("info the operator (uid 1000) says \"try 5m\"\n"));
    for (const json& request : {json{{"verb", "try"}}, json{{"verb", "try"}, {"seconds", 604'801}}})
        CHECK(f.ask_wrong(request) == "a trial lasts from 1s to 7d||2");
    CHECK(f.daemon.calls.size() == 2);
    CHECK(f.ask({{"verb", "confirm"}}) == json{{"confirmed", true}});
    f.daemon.failing = "confirm"; // there is no trial
    CHECK(f.ask_wrong({{"verb", "confirm"}}) == "confirm failed|look at confirm|1");
}

TEST_CASE("clock-accept and takeover: the reply names the moment") {
    VerbFixture f;
    CHECK(f.ask({{"verb", "clock-accept"}}) == json{{"accepted", "2025-11-21T11:50:07Z"}});
    CHECK(f.log() == "warning the wall clock was accepted by the operator (uid 1000)\n");
    f.daemon.during_call = [&] { f.now.wall += std::chrono::seconds(3); }; // the worker takes its time
    CHECK(f.ask({{"verb", "takeover"}}) == json{{"refused_until", "2025-11-21T11:50:40Z"}, {"refused_for_s", 30}});
    CHECK(f.log().ends_with(
        "warning taken over by the operator (uid 1000): knocks made before 2025-11-21T11:50:40Z are refused\n"));
    CHECK(f.daemon.calls == std::vector<std::string>{"clock-accept", "takeover"});
}
