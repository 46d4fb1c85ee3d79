// SPDX-License-Identifier: MIT
#include "tools/knockctl/host/users/hosts.h"

#include "protocol/base/quote.h"

#include <doctest/doctest.h>

using namespace xk;
using namespace xk::tools;

TEST_CASE("names and addresses are hosts") {
    for (const char* host : {"server", "server.example.net", "server.example.net.", "a-b.c_d.example", "192.0.2.1",
                             "2001:db8::1", "::1", "x", "1a", "3com.example"})
        CHECK_MESSAGE(check_host(host, "--host").has_value(), host);
    CHECK(check_host(std::string(63, 'a') + ".example", "--host").has_value());
}

TEST_CASE("each usual mistake has a message of its own") {
    const auto wrong = [](const std::string& host) {
        const auto checked = check_host(host, "--host");
        REQUIRE_FALSE_MESSAGE(checked.has_value(), host);
        CHECK(checked.error().exit == Exit::usage);
        const std::string start = "--host " + in_quotes(host) + " ";
        REQUIRE(checked.error().message.starts_with(start));
        return checked.error().message.substr(start.size()) + "|" + checked.error().hint;
    };
    CHECK(wrong("") == "is empty|write a name or an address");
    CHECK(wrong("https://server.example.net:8443/path") == "is an URL|write server.example.net");
    CHECK(wrong("ssh://") == "is an URL|write the host alone");
    CHECK(wrong("server:22").starts_with("has a port|write server;"));
    CHECK(wrong("[2001:db8::1]:22") == "has brackets|write the address alone, without brackets and port");
    CHECK(wrong("anna@server") == "names a login too|write server");
    CHECK(wrong("a b") == "has blanks in it|one host for each --host: --host a --host b");
    CHECK(wrong("a\tb").starts_with("has blanks in it|"));
    CHECK(wrong("a\nb").starts_with("has blanks in it|"));
    CHECK(wrong("a,b").starts_with("has a comma in it|"));
    CHECK(wrong("192.0.2.0/24") == "is a network|write a name or one address");
    CHECK(wrong("a/b").starts_with("has a \"/\" in it|"));
    CHECK(wrong("192.0.2.300") == "is not an address|four numbers from 0 to 255");
    CHECK(wrong("192.0.2").starts_with("is not an address|"));
    CHECK(wrong(std::string(254, 'a')).starts_with("is too long|"));
    for (const char* bad :
         {"-a", "a-", "a..b", ".a", "a\"b", "a\\b", "s\xc3\xa9rver", "*.example", "a%b", "2001:db8::g"})
        CHECK_MESSAGE(wrong(bad).starts_with("is neither a name nor an address|"), bad);
    CHECK(wrong(std::string(64, 'a') + ".example").starts_with("is neither"));
}

TEST_CASE("a profile has sixteen hosts at most") {
    CHECK(check_hosts(std::vector<std::string>(16, "a"), "").has_value());
    CHECK_FALSE(check_hosts(std::vector<std::string>(17, "a"), "").has_value());
    CHECK_FALSE(check_hosts({"a"}, "b:1").has_value());
    CHECK(check_hosts({}, "").has_value());
}
