// SPDX-License-Identifier: MIT
#include "daemon/authz/sequences.h"
#include "etc.h"

#include <cstdio>

using namespace xk;
using namespace xk::config;
using authz::KnockMode;
using test::Etc;
using test::has;

namespace {

void let_bob_send_ports(const Etc& etc) {
    etc.write("users/bob.yaml", "name: bob\nservices: ssh\nmodes: [packet, sequence]\n");
}

} // namespace

TEST_CASE("a user knocks by packets unless the file says more") {
    const Etc etc;
    for (const authz::Credential& c : etc.good().policy.credentials) {
        CHECK(c.has_mode(KnockMode::packet));
        CHECK_FALSE(c.has_mode(KnockMode::sequence));
    }
    etc.write("users/bob.yaml", "name: bob\nservices: ssh\nmodes: sequence\n");
    const authz::Credential bob = etc.good().policy.credentials[2];
    CHECK(bob.user.view() == "bob");
    CHECK_FALSE(bob.has_mode(KnockMode::packet));
    CHECK(bob.has_mode(KnockMode::sequence));
    etc.write("users/bob.yaml", "name: bob\nservices: ssh\nmodes: [packet, port]\n");
    CHECK(has(etc.bad(), "users/bob.yaml:3:17: \"port\" is no way of knocking"));
}

TEST_CASE("a device with a second factor gets no sequences, and a user without another one is warned of") {
    const Etc etc;
    etc.write("users/anna.yaml", "name: anna\nservices: [ssh, web]\nmodes: [packet, sequence]\n");
    const Config config = etc.good();
    for (const authz::Credential& c : config.policy.credentials) {
        CHECK(c.has_mode(KnockMode::packet));
        CHECK_FALSE(c.has_mode(KnockMode::sequence));
    }
    REQUIRE(config.warnings.size() == 1);
    CHECK(has(config.warnings[0], "has mode sequence, and no device without a second factor"));
    etc.write("users/anna.yaml", "name: anna\nservices: [ssh, web]\n");
    let_bob_send_ports(etc);
    CHECK(etc.good().warnings.empty());
    etc.write("users/bob.yaml", "name: bob\nservices: ssh\nmodes: [packet, sequence]\nbinding: match\n");
    const auto warnings = etc.good().warnings;
    REQUIRE(warnings.size() == 1);
    CHECK(has(warnings[0], "whose knocks name no address"));
}

TEST_CASE("what a sequence opens, and how many ports it has") {
    const Etc etc;
    CHECK(etc.good().policy.settings.sequence == authz::SequenceSettings{6, service_id("all")});
    etc.write("xknock.yaml", std::string(Etc::kMain) + "sequence: {ports: 8, opens: web}\n");
    CHECK(etc.good().policy.settings.sequence == authz::SequenceSettings{8, service_id("web")});
    etc.write("xknock.yaml", std::string(Etc::kMain) + "sequence: {opens: all}\n");
    CHECK(etc.good().policy.settings.sequence.opens == service_id("all"));
    CHECK(has(etc.bad_added("sequence: {opens: shh}\n"), "there is no service \"shh\""));
    CHECK(has(etc.bad_added("sequence: {ports: 4}\n"), "\"4\" is not a number from 5 to 10"));
    CHECK(has(etc.bad_added("sequence: {ports: 11}\n"), "\"11\" is not a number from 5 to 10"));
    CHECK(has(etc.bad_added("sequence: {port: 6}\n"), "did you mean \"ports\"?"));
}

TEST_CASE("a thousand devices may knock by sequences, and not one more") {
    const Etc etc;
    let_bob_send_ports(etc);
    const auto add = [&](int number) {
        char id[17];
        std::snprintf(id, sizeof id, "%016x", 0x100 + number);
        etc.credential("bob.d" + std::to_string(number),
                       "user: bob\ndevice: d" + std::to_string(number) + "\nid: " + id + "\nfactor: none\n");
    };
    for (int number = 1; number < 1000; ++number) // one is there
        add(number);
    CHECK(etc.good().policy.credentials.size() == 1002);
    add(1000);
    CHECK(has(etc.bad(), "1001 devices may knock by sequences of ports, and 1000 can"));
}

TEST_CASE("odds of guessing that nobody accepted are refused, with their number") {
    const Etc etc;
    let_bob_send_ports(etc);
    CHECK(etc.good().max_guess_odds == 1e-6);
    etc.write("xknock.yaml", std::string(Etc::kMain) + "sequence: {ports: 5}\n");
    CHECK(etc.good().policy.settings.sequence.ports == 5);
    const std::string bad = etc.bad_added("sequence: {ports: 5, max_guess_odds: 1e-9}\n");
    CHECK(has(bad, "odds of 6.8e-07, and sequence.max_guess_odds is 1e-09"));
    etc.write("xknock.yaml", std::string(Etc::kMain) + "sequence: {max_guess_odds: 1e-9}\n");
    CHECK(etc.good().max_guess_odds == 1e-9);
    for (const char* odds : {"0", "1", "-1e-9", "nan", "inf", "1e-6x", "many"})
        CHECK(has(etc.bad_added("sequence: {max_guess_odds: " + std::string(odds) + "}\n"),
                  "is no number between 0 and 1"));
    // Nobody may send ports, so nobody can guess them.
    etc.write("users/bob.yaml", "name: bob\nservices: ssh\n");
    etc.write("xknock.yaml", std::string(Etc::kMain) + "sequence: {ports: 5, max_guess_odds: 1e-9}\n");
    CHECK(etc.good().max_guess_odds == 1e-9);
}

namespace {

void let_anna_use_c_lock(const Etc& etc) {
    etc.write("users/anna.yaml", "name: anna\nservices: [ssh, web]\nmodes: [packet, c-lock]\n");
}

} // namespace

TEST_CASE("odds of c-lock that nobody accepted are refused, with their number") {
    const Etc etc;
    let_anna_use_c_lock(etc);
    CHECK(has(etc.bad(), "10 in an hour, may open within a day with odds of 5.0e-04, and sequence.max_guess_odds is "
                         "1e-06"));
    CHECK(has(etc.bad_added("c_lock: {max_guess_odds: 4e-4}\n"), "and c_lock.max_guess_odds is 0.0004"));
    etc.write("xknock.yaml", std::string(Etc::kMain) + "c_lock: {attempts_per_hour: 2, max_guess_odds: 1e-4}\n");
    CHECK(etc.good().c_lock.attempts_per_hour == 2);
    etc.write("xknock.yaml", std::string(Etc::kMain) + "sequence: {max_guess_odds: 1e-3}\n");
    CHECK(etc.good().policy.settings.c_lock == authz::ClockSettings{4, service_id("all")});
}

TEST_CASE("the odds that a refusal names are accepted where they are written down") {
    const Etc etc;
    let_anna_use_c_lock(etc);
    for (const int attempts : {1, 2, 3, 7, 10, 21, 23, 99, 101, 203, 777, 1000}) {
        CAPTURE(attempts);
        const std::string section = "attempts_per_hour: " + std::to_string(attempts);
        const std::string text = etc.bad_added("c_lock: {" + section + "}\n");
        const std::size_t at = text.find("max_guess_odds: ");
        REQUIRE(at != std::string::npos);
        const std::string named = text.substr(at, text.find('}', at) - at);
        etc.write("xknock.yaml", Etc::kMain + ("c_lock: {" + section) + ", " + named + "}\n");
        CHECK(etc.good().c_lock.max_guess_odds.has_value());
    }
}

TEST_CASE("who may not open what sequences open is named") {
    const Etc etc;
    etc.write("users/bob.yaml", "name: bob\nservices: ssh\nmodes: [packet, sequence]\n");
    const auto warnings = [&](const std::string& more) {
        etc.write("xknock.yaml", Etc::kMain + more);
        return etc.good().warnings;
    };
    CHECK(warnings("sequence: {opens: ssh}\n").empty());
    CHECK(warnings("sequence: {opens: all}\n").empty());
    REQUIRE(warnings("sequence: {opens: web}\n").size() == 1);
    CHECK(warnings("sequence: {opens: web}\n")[0] ==
          "user \"bob\" may not open \"web\", and sequence.opens names nothing else");
    let_anna_use_c_lock(etc);
    etc.write("users/anna.yaml", "name: anna\nservices: ssh\nmodes: [packet, c-lock]\n");
    REQUIRE(warnings("c_lock: {opens: web, max_guess_odds: 1e-3}\n").size() == 1);
    CHECK(has(warnings("c_lock: {opens: web, max_guess_odds: 1e-3}\n")[0], "user \"anna\" may not open \"web\""));
}

TEST_CASE("c-lock's ports, what they open, and always-open ports are settings") {
    const Etc etc;
    let_anna_use_c_lock(etc);
    etc.write("xknock.yaml",
              std::string(Etc::kMain) +
                  "c_lock: {ports: 6, opens: web, open_ports: [tcp/80, tcp/8443], max_guess_odds: 1e-3}\n");
    const Config config = etc.good();
    CHECK(config.policy.settings.c_lock == authz::ClockSettings{6, service_id("web")});
    CHECK(config.c_lock.open_ports == std::vector<std::uint16_t>{80, 8443});
    CHECK(has(etc.bad_added("c_lock: {ports: 3}\n"), "\"3\" is not a number from 4 to 10"));
    CHECK(has(etc.bad_added("c_lock: {open_ports: [tcp/80, udp/53]}\n"),
              "\"udp/53\" is not a port of TCP, like tcp/8080"));
    std::string seventeen = "tcp/1";
    for (int port = 2; port <= 17; ++port)
        seventeen += ",tcp/" + std::to_string(port);
    CHECK(has(etc.bad_added("c_lock: {open_ports: [" + seventeen + "]}\n"), "more than 16 ports"));
    CHECK(has(etc.bad_added("c_lock: {opens: shh}\n"), "there is no service \"shh\""));
}

TEST_CASE("a device without codes of six digits gets no c-lock, and its user is warned of") {
    const Etc etc;
    etc.write("users/bob.yaml", "name: bob\nservices: ssh\nmodes: [packet, c-lock]\n");
    const Config config = etc.good();
    for (const authz::Credential& c : config.policy.credentials)
        CHECK_FALSE(c.has_mode(KnockMode::c_lock));
    REQUIRE(config.warnings.size() == 1);
    CHECK(has(config.warnings[0], "has mode c-lock, and no device with codes of six digits"));
}
