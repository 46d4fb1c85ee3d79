// SPDX-License-Identifier: MIT
#include "client/last_family.h"
#include "client/schedule.h"
#include "client/story.h"

#include <doctest/doctest.h>

#include <algorithm>

using namespace xk;
using namespace xk::client;
using namespace std::chrono_literals;

namespace {

Happened at(const char* address, unsigned resets = 0, int unreachable = 0) {
    Happened one;
    one.address = address;
    one.knocks = 2;
    one.resets = resets;
    one.unreachable = unreachable;
    return one;
}

bool has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

} // namespace

TEST_CASE(
    "the packet leaves before the first attempt, and attempts are close together in the first twenty milliseconds") {
    const auto steps = schedule();
    REQUIRE(steps.size() > 2);
    CHECK(steps[0].what == Step::What::fresh);
    CHECK(steps[0].at == 0ms);
    CHECK(steps[1].what == Step::What::attempt);
    CHECK(steps[1].at == 0ms);
    CHECK(std::count_if(steps.begin(), steps.end(),
                        [](const Step& s) { return s.what == Step::What::attempt && s.at <= 20ms; }) == 5);
    CHECK(std::is_sorted(steps.begin(), steps.end(), [](const Step& a, const Step& b) { return a.at < b.at; }));
}

TEST_CASE("an attempt that can tell an open port from one that answers as closed begins within the first turn") {
    const auto steps = schedule();
    CHECK(std::any_of(steps.begin(), steps.end(),
                      [](const Step& s) { return s.what == Step::What::attempt && s.at >= kOpenBy && s.at < 100ms; }));
    CHECK(turn_of_pass(0) < turn_of_pass(1));
    CHECK(turn_of_pass(1) < turn_of_pass(2));
    CHECK(turn_of_pass(2) == turn_of_pass(99));
}

TEST_CASE("both address modes are tried before a person is asked again") {
    const auto steps = schedule();
    const auto other =
        std::find_if(steps.begin(), steps.end(), [](const Step& s) { return s.what == Step::What::other_mode; });
    REQUIRE(other != steps.end());
    CHECK(other->at < 1500ms);
}

TEST_CASE("an error says what each address answered, and which causes are left") {
    Known known{.host = "server", .port = 22, .addresses = {at("2001:db8::1", 3), at("192.0.2.1")}};
    known.has_codes = known.person = true;
    const Error error = not_open(known);
    CHECK(has(error.message, "port 22 of server did not open"));
    CHECK(has(error.message, "2001:db8::1: 2 knocks, then reset"));
    CHECK(has(error.message, "192.0.2.1: 2 knocks, then silence"));
    CHECK(has(error.message, "clock is not synchronised"));
    CHECK(has(error.hint, "was the code right"));
    CHECK(has(error.hint, "is the clock right"));
    known.clock.is_synchronised = true;
    CHECK(has(not_open(known).message, "clock is synchronised"));
    CHECK_FALSE(has(not_open(known).hint, "is the clock right"));
    known.person = false;
    CHECK_FALSE(has(not_open(known).hint, "code"));
}

TEST_CASE("where no packet came through nothing is said of codes and services") {
    const Known known{.host = "server", .port = 22, .addresses = {at("192.0.2.1", 0, EHOSTUNREACH)}, .has_codes = true};
    CHECK(has(not_open(known).message, "192.0.2.1: 2 knocks, then unreachable (No route to host)"));
    CHECK(has(not_open(known).hint, "network"));
    CHECK_FALSE(has(not_open(known).hint, "code"));
}

TEST_CASE("a reset everywhere asks for the service; NAT and silence for the addresses of UDP and TCP") {
    CHECK(
        has(not_open({.host = "server", .port = 22, .addresses = {at("192.0.2.1", 1)}}).hint, "does the service run"));
    Happened behind = at("192.0.2.1");
    CHECK_FALSE(has(not_open({.host = "server", .port = 22, .addresses = {behind}}).hint, "two addresses"));
    behind.source_mode = true;
    CHECK(has(not_open({.host = "server", .port = 22, .addresses = {behind}}).hint, "two addresses"));
}

TEST_CASE("texts of the host's name move no cursor") {
    CHECK_FALSE(has(not_open({.host = "\x1b[2J", .port = 22, .addresses = {}}).message, "\x1b"));
}

TEST_CASE("the family that worked last is kept for each credential") {
    std::string text = with_family("", "aa", Family::ipv4);
    text = with_family(text, "bb", Family::ipv6);
    CHECK(text == "aa ipv4\nbb ipv6\n");
    CHECK(family_in(text, "aa") == Family::ipv4);
    CHECK(family_in(text, "bb") == Family::ipv6);
    CHECK(family_in(text, "cc") == Family::any);
    CHECK(with_family(text, "aa", Family::ipv6) == "bb ipv6\naa ipv6\n");
    CHECK(family_in("aa ipv5\naa\n\x1b", "aa") == Family::any);
}

TEST_CASE("the memory of families does not grow without end, and the newest stay") {
    std::string text;
    for (int i = 0; i < 300; ++i)
        text = with_family(text, std::to_string(i), Family::ipv4);
    CHECK(std::count(text.begin(), text.end(), '\n') == 256);
    CHECK(family_in(text, "299") == Family::ipv4);
    CHECK(family_in(text, "0") == Family::any);
}
