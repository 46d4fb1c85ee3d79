// SPDX-License-Identifier: MIT
#include "client/ssh_config.h"

#include <doctest/doctest.h>

using namespace xk;
using namespace xk::client;

namespace {

HostBlock block_of(const std::string& host) { return {host, {}, "/usr/bin/knock-client", "server", false}; }

} // namespace

TEST_CASE("the Include comes and goes without a trace, whatever the file holds") {
    for (const std::string text : {"", "\n", "Host *\n", "Host *", "Host *\r\n  User x\r\n",
                                   "Include xknock.d/*.conf\nHost *\n", "# Host *\n\n\n  Include other"}) {
        const std::string with = with_include(text);
        CHECK(with.find("Include xknock.d/*.conf\n") != std::string::npos);
        CHECK(with.substr(with.size() - text.size()) == text);
        CHECK(with_include(with) == with);
        CHECK(without_include(with) == std::optional(text));
    }
}

TEST_CASE("a file that was made for the Include goes with it, unless somebody wrote into it") {
    const std::string made = with_include(std::nullopt);
    CHECK(with_include(made) == made);
    CHECK(without_include(made) == std::nullopt);
    CHECK(without_include(made + "Host *\n") == std::optional<std::string>("Host *\n"));
}

TEST_CASE("an Include that was moved below other lines comes back to the top, once") {
    const std::string moved = "Host a\n  User b\n" + with_include(std::string());
    CHECK(with_include(moved) == with_include(std::string("Host a\n  User b\n")));
}

TEST_CASE("no host brings a pattern, a token, an option or a second line into ssh_config") {
    for (const char* host : {"a.example", "192.0.2.1", "2001:db8::1", "::1", "A-b_c"})
        CHECK(host_block_text(block_of(host)).has_value());
    for (const char* host : {"*", "a?", "!a", "-oX=y", "a b", "a\nProxyCommand x", "%h", "a\"", "a#", "", "a\\"})
        CHECK_FALSE(host_block_text(block_of(host)).has_value());
    HostBlock block = block_of("a");
    block.host_name = "b\n  ProxyCommand x";
    CHECK_FALSE(host_block_text(block).has_value());
    block.host_name.clear();
    block.profile = "a\nb";
    CHECK_FALSE(host_block_text(block).has_value());
}

TEST_CASE("words of the command survive ssh's tokens and the shell") {
    HostBlock block = block_of("a");
    block.profile = "/home/it's/100%";
    const auto text = host_block_text(block);
    REQUIRE(text.has_value());
    CHECK(text->find("--profile '/home/it'\\''s/100%%' -- %h %p\n") != std::string::npos);
}
