// SPDX-License-Identifier: MIT
// A probe tries what the kernel can do, and touches nothing that is there.
#include "daemon/nft/probe.h"

#include "daemon/nft/ban_sets.h"
#include "tests/nft/fixtures.h"

#include <doctest/doctest.h>

using namespace xk;
using namespace xk::nft;
using namespace xk::test;
using namespace std::chrono_literals;

namespace {

// A grant, a ban and an ended session: what a probe could lose.
void fill(Socket& socket) {
    Element grant;
    grant.key = grant_key(address("192.0.2.7"), endpoint("tcp/22"));
    grant.comment = "anna/laptop";
    Transaction t;
    put_element(t, plain_set(true, false).name, grant);
    put_banned_address(t, address("203.0.113.9"), std::nullopt, "sshd");
    write_banned_networks(t, {{Prefix::parse("198.51.100.0/24").value(), "net", {}}});
    commit(socket, std::move(t));
}

} // namespace

TEST_CASE("the probes leave our own table alone, whoever owns it, and leave nothing behind") {
    for (const bool owned : {false, true}) {
        CAPTURE(owned);
        Socket socket = socket_in_new_namespace();
        RulesetSpec spec = plain_spec();
        spec.owned = owned;
        install(socket, spec);
        fill(socket);
        const std::string before = run_nft("list ruleset");
        REQUIRE(before.find("anna/laptop") != std::string::npos);
        REQUIRE(before.find("198.51.100.0/24") != std::string::npos);
        Socket other = Socket::open_nf_tables().value();
        for (Socket* one : {&socket, &other}) {
            CHECK(can_own(*one));
            CHECK(can_reset(*one));
        }
        CHECK(run_nft("list ruleset") == before);
    }
}

TEST_CASE("where somebody else's table has the probe's name it stays as it is, and the answer is no") {
    Socket socket = socket_in_new_namespace();
    run_nft("'add table inet xknock-probe; add set inet xknock-probe theirs { type ipv4_addr; elements = { 192.0.2.7 "
            "}; }'");
    const std::string before = run_nft("list ruleset");
    CHECK_FALSE(can_own(socket));
    CHECK_FALSE(can_reset(socket));
    CHECK(run_nft("list ruleset") == before);
    run_nft("delete table inet xknock-probe");
    CHECK(can_own(socket));
    CHECK(can_reset(socket));
    CHECK(run_nft("list ruleset").empty());
}

TEST_CASE("an owned table is its owner's alone, outlives them, and the next owner takes it over") {
    Socket first = socket_in_new_namespace();
    RulesetSpec spec = plain_spec();
    spec.owned = true;
    install(first, spec);
    fill(first);
    int code = 0;
    CHECK(run_nft("flush set inet xknock grants4", &code).find("Operation not permitted") != std::string::npos);
    CHECK(code != 0);
    run_nft("flush ruleset"); // leaves out what others own
    Socket second = Socket::open_nf_tables().value();
    CHECK_FALSE(install_ruleset(second, spec));
    { const Socket gone = std::move(first); }
    CHECK(ruleset_exists(second).value());
    install(second, spec);
    CHECK(list_elements(second, plain_set(true, false).name).value().size() == 1);
    run_nft("delete table inet xknock", &code);
    CHECK(code != 0);
}
