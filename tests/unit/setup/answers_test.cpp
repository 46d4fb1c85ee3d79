// SPDX-License-Identifier: MIT
#include "host.h"

#include <doctest/doctest.h>

using namespace xk;
using namespace xk::tools::setup;
using namespace xk::tools::setup::test;

namespace {

std::string hidden(const std::string& text) {
    const auto parsed = parse_hidden(port_words_of(text), plain_server());
    return parsed ? text_of(*parsed) : parsed.error().message + " | " + parsed.error().hint;
}

std::string allow(const std::string& text, const Surroundings& around = plain_server()) {
    const auto parsed = parse_allow(words_of(text), around);
    if (!parsed)
        return parsed.error().message + " | " + parsed.error().hint;
    std::string all;
    for (const Prefix& network : *parsed)
        all += network.text() + " ";
    return all;
}

std::string hosts(const std::string& text) {
    const auto parsed = parse_hosts(words_of(text));
    return parsed ? std::to_string(parsed->size()) : parsed.error().message + " | " + parsed.error().hint;
}

bool has(const std::string& text, const std::string& part) {
    CAPTURE(text);
    return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("ports are named after the programs that listen") {
    CHECK(hidden("tcp/22") == "ssh (tcp/22)");
    CHECK(hidden("22") == "ssh (tcp/22)");
    CHECK(hidden("ssh, nginx") == "ssh (tcp/22), nginx (tcp/80 tcp/443)");
    CHECK(hidden("80,443 22") == "nginx (tcp/80 tcp/443), ssh (tcp/22)");
    CHECK(hidden("tcp/5432 udp/51820") == "tcp-5432 (tcp/5432), udp-51820 (udp/51820)");
    CHECK(hidden("web=tcp/80,tcp/443 db=tcp/5432") == "web (tcp/80 tcp/443), db (tcp/5432)");
    CHECK(hidden("tcp/1000-1010") == "tcp-1000 (tcp/1000-1010)");
    CHECK(hidden("tcp/22 22 sshd") == "ssh (tcp/22)");
}

TEST_CASE("ports that make no sense have a message each") {
    CHECK(has(hidden("22/tcp"), "\"22/tcp\" is not a port | did you mean tcp/22?"));
    CHECK(has(hidden("TCP/22"), "did you mean tcp/22?"));
    CHECK(has(hidden("udp:53"), "did you mean udp/53?"));
    CHECK(has(hidden("tcp/0"), "is not a port | write tcp/22"));
    CHECK(has(hidden("70000"), "\"70000\" is not a port"));
    CHECK(has(hidden("tcp/30-20"), "is not a port"));
    CHECK(has(hidden("apache"), "no program \"apache\" listens here"));
    CHECK(has(hidden("all=tcp/22"), "\"all\" is not a service's name"));
    CHECK(has(hidden("a b=tcp/22"), "no program \"a\""));
    CHECK(has(hidden("web="), "service web has no ports"));
    CHECK(has(hidden("a=tcp/20-25 b=tcp/22"), "tcp/20-25 (a) and tcp/22 (b) overlap"));
    CHECK(has(hidden(""), "hides nothing"));
    CHECK(has(hidden("tcp/22\x1b[2J"), "\"tcp/22\\x1b[2J\" is not a port"));
    Answers answers;
    answers.hidden = {{"dns", {*PortRange::parse("udp/62000-63000")}}};
    CHECK(has(check_together(answers).error().message, "udp/62000-63000 is the port of knocks itself"));
    answers.port = 4000;
    CHECK(check_together(answers));
}

TEST_CASE("who needs no knock") {
    CHECK(allow("nobody").empty());
    CHECK(allow("mine") == "198.51.100.7 ");
    CHECK(allow("203.0.113.0/24, 2001:db8::/32 203.0.113.0/24") == "203.0.113.0/24 2001:db8::/32 ");
    Surroundings at_console = plain_server();
    at_console.caller.reset();
    CHECK(has(allow("mine", at_console), "you did not come by ssh"));
    CHECK(has(allow("203.0.113.1/24"), "did you mean 203.0.113.0/24?"));
    CHECK(has(allow("0.0.0.0/0"), "is everybody"));
    CHECK(has(allow("::/0"), "is everybody"));
    CHECK(has(allow("203.0.113.0/33"), "\"203.0.113.0/33\""));
    CHECK(has(allow("nobody mine"), "\"nobody\" is not an address or network"));
}

TEST_CASE("the other answers") {
    CHECK(parse_interfaces({"eth0"}, plain_server()));
    CHECK(has(parse_interfaces({"eth7"}, plain_server()).error().hint, "those of this host: eth0"));
    CHECK(has(parse_interfaces({}, plain_server()).error().message, "without an interface no knock is heard"));
    CHECK(*parse_knock_port("4000") == 4000);
    for (const char* const port : {"", "0", "65536", "udp/4000", "-1", "4000 "})
        CHECK_FALSE(parse_knock_port(port));
    CHECK(*parse_factor("TOTP") == FactorKind::totp);
    CHECK(has(parse_factor("sms").error().hint, "hotp (codes by a counter)"));
    CHECK(parse_name("anna", "user"));
    for (const char* const name : {"", "anna smith", "anna\nbob", "../anna", ".anna", "-a"})
        CHECK_FALSE(parse_name(name, "user"));
    CHECK(hosts("server.example.net 203.0.113.5 2001:db8::5") == "3");
    CHECK(has(hosts("anna@server"), "has a login in it | the host alone, like server"));
    CHECK(has(hosts("server:22"), "without a port"));
    CHECK(has(hosts("ssh://server"), "without \"ssh://\""));
    CHECK(has(hosts("ser\nver"), "\"ser\\x0aver\" is not a host"));
    CHECK(has(hosts(""), "clients need a name"));
    CHECK(unknown_host({"203.0.113.5", "server.example.net"}, facts()).empty());
    CHECK(unknown_host({"203.0.113.5", "sever.example.net"}, facts()) == "sever.example.net");
}
