// SPDX-License-Identifier: MIT
#include "client/child.h"
#include "client/enroll_link.h"
#include "client/fwknop_options.h"
#include "client/ssh_route.h"

#include <doctest/doctest.h>

using namespace xk;
using namespace xk::client;
using namespace std::chrono_literals;

namespace {

Result<Arguments> meant(const FwknopArguments& words, const std::string& host = "", const std::string& service = "") {
    Arguments a;
    a.fwknop = words;
    a.host = host;
    a.service = service;
    return in_own_words(a);
}

std::string fault(const Result<Arguments>& a) {
    REQUIRE_FALSE(a.has_value());
    CHECK(a.error().exit == Exit::usage);
    return a.error().message;
}

// The options as they are parsed.
Result<Arguments> parsed(std::vector<std::string> words) {
    CLI::App app;
    Arguments a;
    app.add_option("host", a.host);
    add_fwknop_options(app, a);
    std::reverse(words.begin(), words.end());
    app.parse(words);
    return in_own_words(a);
}

} // namespace

TEST_CASE("fwknop's words are ours by other names") {
    const auto a = parsed({"-A", "tcp/22", "-a", "203.0.113.9", "-D", "spa.example.net", "-n", "work", "-f", "60"});
    REQUIRE(a.has_value());
    CHECK(a->service == "tcp/22");
    CHECK(a->for_address == "203.0.113.9");
    CHECK(a->source.empty());
    CHECK(a->host == "spa.example.net");
    CHECK(a->profile == "work");
    CHECK(a->lifetime == "60s");
    const auto only_profile = parsed({"-n", "work"});
    REQUIRE(only_profile.has_value());
    CHECK(only_profile->host.empty());
}

TEST_CASE("an address of this machine is where the knock comes from") {
    const auto own = meant({.access = "tcp/22", .allow = "127.0.0.1"}, "h");
    REQUIRE(own.has_value());
    CHECK(own->source == "127.0.0.1");
    CHECK(own->for_address.empty());
    const auto any = meant({.allow = "0.0.0.0"}, "h");
    REQUIRE(any.has_value());
    CHECK((any->source.empty() && any->for_address.empty()));
}

TEST_CASE("no time asked for is the server's default") {
    CHECK(meant({.timeout = "0"}, "h")->lifetime.empty());
    CHECK(meant({.timeout = "5m"}, "h")->lifetime == "5m");
}

TEST_CASE("what is said twice, or not at all, is refused") {
    CHECK(fault(meant({.destination = "a"}, "b")) == "the host is named twice, once by -D");
    CHECK(fault(meant({.access = "tcp/22"}, "b", "ssh")) == "the service is named twice, once by -A");
    CHECK(fault(meant({.access = "tcp/22,udp/53"}, "b")) == "-A \"tcp/22,udp/53\": one knock opens one service");
    CHECK(fault(meant({.allow = "spa.example.net"}, "b")).find("spa.example.net") != std::string::npos);
    CHECK(fault(meant({.access = "tcp/22"})) == "which host?");
}

TEST_CASE("each other option of fwknop's has a message of its own") {
    for (const char* option : {"-R", "-s", "-r", "-g", "-l", "-T", "--key-gen", "--use-hmac", "--source-ip"}) {
        const auto a = parsed({"h", option});
        CHECK(fault(a).find(" has no equivalent") != std::string::npos);
        CHECK_MESSAGE(!a.error().hint.empty(), option);
    }
    for (const char* option : {"-N", "-C", "-p", "-P", "-S", "-Q", "-U", "-m", "-M", "-G", "--server-port"})
        CHECK_MESSAGE(fault(parsed({"h", option, "x"})).starts_with("fwknop's -"), option);
}

TEST_CASE("another way of ssh to the host is found in its configuration") {
    CHECK(other_route_in("host a\nuser root\nport 22\n").empty());
    CHECK(other_route_in("user root\nproxyjump jump.example.net\nport 22\n") == "jump.example.net");
    CHECK(other_route_in("proxycommand nc -X 5 %h %p") == "nc -X 5 %h %p");
    CHECK(other_route_in("proxycommand none\nproxyjump none\n").empty());
    CHECK(other_route_in("proxycommand /usr/bin/knock-client proxy --profile a -- %h %p\n").empty());
    CHECK(other_route_in("proxycommand xknock.py proxy -- %h %p\n").empty());
    CHECK(other_route_in("").empty());
}

TEST_CASE("clocks may be equal within the time that the question took") {
    CHECK(ClockDifference{-500ms, 500ms}.may_be_equal());
    CHECK(ClockDifference{1s, 2s}.may_be_equal());
    CHECK_FALSE(ClockDifference{1001ms, 2s}.may_be_equal());
    CHECK_FALSE(ClockDifference{-1h, -3599s}.may_be_equal());
}

TEST_CASE("a program's words are read to the end, and not more than wanted") {
    const auto said = run_to_end({"sh", "-c", "printf 'a\\nb'; echo no >&2; exit 3"}, 100);
    REQUIRE(said.has_value());
    CHECK(std::string(said->text.begin(), said->text.end()) == "a\nb");
    CHECK(said->exit_code == 3);
    CHECK_FALSE(run_to_end({"sh", "-c", "yes"}, 100).has_value());
    CHECK_FALSE(run_to_end({"/nowhere/program"}, 100).has_value());
    CHECK(run_to_end({"sh", "-c", "kill -9 $$"}, 100)->exit_code == 128 + 9);
}
