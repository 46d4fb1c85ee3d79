// SPDX-License-Identifier: MIT
// What the kernel reports of a table that somebody else changes.
#include "daemon/nft/watch.h"

#include "tests/nft/fixtures.h"

#include <doctest/doctest.h>

using namespace xk;
using namespace xk::nft;
using namespace xk::test;

namespace {

std::optional<Change> read_changes(Watch& watch) {
    auto change = watch.read_changes();
    REQUIRE_MESSAGE(change.has_value(), change.error().message);
    return *std::move(change);
}

} // namespace

TEST_CASE("changes of others are reported by kind and with who made them; our own and those of other tables are not") {
    Socket socket = socket_in_new_namespace();
    Watch watch = Watch::open_watch(kTable, socket.port()).value();
    CHECK(watch.poll_fd() >= 0);
    CHECK_FALSE(read_changes(watch));
    install(socket, plain_spec());
    CHECK_FALSE(read_changes(watch));
    run_nft("add table inet other");
    run_nft("add table ip xknock"); // of another family
    CHECK_FALSE(read_changes(watch));

    run_nft("'add element inet xknock banned4 { 192.0.2.7 }'");
    auto change = read_changes(watch);
    REQUIRE(change);
    CHECK(change->elements);
    CHECK_FALSE(change->objects);
    CHECK_FALSE(change->lost);
    CHECK(change->by.starts_with("nft (pid "));
    CHECK_FALSE(read_changes(watch)); // each once

    run_nft("'delete element inet xknock banned4 { 192.0.2.7 }'");
    change = read_changes(watch);
    REQUIRE(change);
    CHECK(change->elements);
    CHECK_FALSE(change->objects);

    run_nft("add chain inet xknock theirs");
    change = read_changes(watch);
    REQUIRE(change);
    CHECK(change->objects);
    CHECK_FALSE(change->elements);

    // Both at once, and then something of another table: whose doing ours was stays known.
    run_nft("flush chain inet xknock prerouting");
    run_nft("'add element inet xknock banned4 { 192.0.2.8 }'");
    run_nft("add table inet third");
    change = read_changes(watch);
    REQUIRE(change);
    CHECK(change->objects);
    CHECK(change->elements);
    CHECK(change->by.starts_with("nft (pid "));

    // Who was named is not named again for a change of which the kernel does not say who made it.
    CHECK_FALSE(read_changes(watch));
    run_nft("flush ruleset");
    change = read_changes(watch);
    REQUIRE(change);
    CHECK(change->objects);
}

TEST_CASE("who made a change of another table is not named for ours") {
    Socket socket = socket_in_new_namespace();
    Watch watch = Watch::open_watch(kTable, socket.port()).value();
    install(socket, plain_spec());
    run_nft("add table inet other");
    // Ours by another program of this process, whose name is not nft's.
    Socket other = Socket::open_nf_tables().value();
    Transaction t;
    flush_set(t, {kTable, "banned4"});
    Element ban;
    ban.key = address_key(address("192.0.2.9"));
    add_element(t, {kTable, "banned4"}, ban);
    commit(other, std::move(t));
    run_nft("add table inet third");
    const auto change = read_changes(watch);
    REQUIRE(change);
    CHECK(change->by.starts_with("nft_ruleset (pid " + std::to_string(::getpid())));
}

TEST_CASE("reports that the socket cannot hold are told as lost") {
    Socket socket = socket_in_new_namespace();
    install(socket, plain_spec());
    Watch watch = Watch::open_watch(kTable, 0).value();
    for (int round = 0; round < 2; ++round) {
        Transaction t;
        for (int i = 0; i < 60'000; ++i) {
            Element ban;
            ban.key = {10, static_cast<std::uint8_t>(round), static_cast<std::uint8_t>(i >> 8),
                       static_cast<std::uint8_t>(i)};
            add_element(t, {kTable, "banned4"}, ban);
        }
        commit(socket, std::move(t));
    }
    const auto change = read_changes(watch);
    REQUIRE(change);
    CHECK(change->lost);
    CHECK_FALSE(read_changes(watch));
    run_nft("add chain inet xknock theirs"); // and it goes on
    CHECK(read_changes(watch)->objects);
}
