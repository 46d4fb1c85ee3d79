// SPDX-License-Identifier: MIT
// Who may be banned and how many, by the configuration that counts.
#include "daemon/nft/element.h"
#include "tests/unit/bans/fixtures.h"
#include "tests/unit/recording/log.h"

using namespace xk;
using namespace xk::test;

TEST_CASE("addresses of IPv6 are banned by their network, unless it holds what may not be banned") {
    BanFixture f;
    f.own.insert(address("2001:db8:1::1"));
    const auto done =
        f.ban({prefix("2001:db8:2::5"), prefix("2001:db8:2::6"), prefix("2001:db8:1::5"), prefix("203.0.113.5")}, 60s,
              "sshd", 64);
    REQUIRE(done);
    CHECK(done->prefixes == std::vector{prefix("2001:db8:2::/64"), prefix("2001:db8:2::/64"), prefix("2001:db8:1::5"),
                                        prefix("203.0.113.5")});
    f.check_same();
    // The end of one address's ban is not the end of the other's.
    CHECK(f.unban("2001:db8:2::5").value() == 1);
    CHECK(f.bans.list().all().contains(prefix("2001:db8:2::/64")));
    CHECK(f.unban("2001:db8:2::6").value() == 1);
    CHECK_FALSE(f.bans.list().all().contains(prefix("2001:db8:2::/64")));
    f.check_same();
}

TEST_CASE("what may not be banned is refused with a reason, and the others are banned") {
    BanFixture f;
    const auto done = f.ban({prefix("198.51.100.7"), prefix("198.51.0.0/16"), prefix("192.0.2.1"), prefix("192.0.2.70"),
                             prefix("127.0.0.1"), prefix("::1"), prefix("0.0.0.0/0"), prefix("203.0.113.5")});
    REQUIRE(done);
    CHECK(done->prefixes == std::vector{prefix("203.0.113.5")});
    std::string reasons;
    for (const Bans::Refusal& one : done->refused)
        reasons += one.prefix.text() + ": " + one.error.message + "\n";
    CHECK(reasons == "198.51.100.7: 198.51.100.7 is allowed by gate.allow (198.51.100.0/24)\n"
                     "198.51.0.0/16: 198.51.0.0/16 is allowed by gate.allow (198.51.100.0/24)\n"
                     "192.0.2.1: 192.0.2.1 is an address of this host\n"
                     "192.0.2.70: 192.0.2.70 is spared by gate.never_ban (192.0.2.64/26)\n"
                     "127.0.0.1: 127.0.0.1 holds loopback addresses\n"
                     "::1: ::1 holds loopback addresses\n"
                     "0.0.0.0/0: 0.0.0.0/0 is allowed by gate.allow (198.51.100.0/24)\n");
    f.check_same();
    CHECK(f.ban("192.0.2.0/24")->refused.at(0).error.message == "192.0.2.1 is an address of this host");
    f.own.clear();
    CHECK(f.ban("192.0.2.0/24")->refused.at(0).error.message ==
          "192.0.2.0/24 is spared by gate.never_ban (192.0.2.64/26)");
    CHECK(f.ban("126.0.0.0/7")->refused.at(0).error.message == "126.0.0.0/7 holds loopback addresses");
    CHECK(f.ban("127.9.0.0/16")->refused.at(0).error.message == "127.9.0.0/16 holds loopback addresses");
    CHECK(f.ban("::/64")->refused.at(0).error.message == "::/64 holds loopback addresses");
}

TEST_CASE("a reload lifts the bans of networks that it allows, and keeps those of their neighbours") {
    BanFixture f;
    REQUIRE(f.ban({prefix("2001:db8:2::5"), prefix("2001:db8:2::6")}, 60s, "sshd", 64));
    REQUIRE(f.ban("203.0.113.5"));
    auto next = std::make_shared<config::Config>(*f.config);
    next->allow.push_back(prefix("2001:db8:2::5"));
    std::weak_ptr<const config::Config> first = f.config;
    f.config = next;
    REQUIRE(f.grants.reconfigure(next, f.now));
    REQUIRE(f.bans.reconfigure(next, f.now));
    const auto lifted = f.events.take(authz::EventKind::unbanned);
    REQUIRE(lifted.size() == 1);
    CHECK(lifted[0].prefix == prefix("2001:db8:2::/64"));
    CHECK(lifted[0].cause == authz::EndCause::configuration);
    CHECK(first.expired()); // nobody holds on to the one that was replaced
    CHECK(f.bans.list().all().size() == 2);
    CHECK(f.bans.list().all().contains(prefix("2001:db8:2::6")));
    CHECK(f.bans.list().all().contains(prefix("203.0.113.5")));
    f.check_same();
}

TEST_CASE("a reload that cannot lift a ban says so, leaves it everywhere, and lifts it at the next try") {
    BanFixture f;
    REQUIRE(f.ban("203.0.113.5"));
    auto next = std::make_shared<config::Config>(*f.config);
    next->never_ban.push_back(prefix("203.0.113.0/24"));
    f.faults.fail_at(1);
    CHECK(f.bans.reconfigure(next, f.now).error().message == "commit: made to fail by the test");
    f.faults.none();
    CHECK(f.bans.list().all().contains(prefix("203.0.113.5")));
    f.check_same();
    REQUIRE(f.bans.reconfigure(next, f.now));
    CHECK(f.bans.list().all().empty());
    CHECK(f.listener.bans.empty());
    f.check_same();
}

// So many owners of one prefix.
static authz::BanClaims claims_on(const Prefix& named, std::size_t owners, BootTime until) {
    authz::BanClaims claims;
    for (std::size_t i = 0; i < owners; ++i)
        claims.push_back({std::to_string(i), named, until});
    return claims;
}

TEST_CASE("an address whose network is allowed now is banned alone only where there is room for its owner") {
    BanFixture f;
    authz::BanBook full;
    full.set(prefix("2001:db8:2::6"),
             claims_on(prefix("2001:db8:2::6"), authz::BanBook::kMaxOfPrefix, f.now.boot + 60s));
    f.fill(full);
    REQUIRE(f.ban({prefix("2001:db8:2::6"), prefix("2001:db8:2::7")}, 600s, "sshd", 64)->refused.empty());
    auto next = std::make_shared<config::Config>(*f.config);
    next->allow.push_back(prefix("2001:db8:2::5"));
    const CapturedLog log;
    REQUIRE(f.bans.reconfigure(next, f.now));
    CHECK(f.bans.book().claims_of(prefix("2001:db8:2::6")).size() == authz::BanBook::kMaxOfPrefix);
    CHECK(f.bans.book().claims_of(prefix("2001:db8:2::7")).size() == 1);
    CHECK(f.bans.list().all().size() == 2);
    CHECK(log.has("1 addresses were banned by a network that is allowed now"));
    f.check_same();
}

TEST_CASE("all bans together have room for so many owners, and those of a network that is lifted are free again" *
          doctest::test_suite("long")) {
    BanFixture f;
    authz::BanBook full;
    const Prefix network = prefix("2001:db8:2::/64"), address = prefix("2001:db8:2::7");
    constexpr unsigned kEach = 64;
    full.set(network, claims_on(address, kEach, f.now.boot + 60s));
    for (unsigned i = 0; full.size() < authz::BanBook::kMaxClaims; ++i) {
        const Prefix at =
            Prefix::of(Address::v4(203, 0, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)));
        full.set(at, claims_on(at, kEach, f.now.boot + 60s));
    }
    f.fill(full);
    REQUIRE(f.bans.book().size() == authz::BanBook::kMaxClaims);
    CHECK(f.ban("192.0.2.9")->refused.at(0).error.message == "192.0.2.9 has too many owners, or all bans together");
    CHECK(f.ban("203.0.1.9", 600s, "7")->refused.empty()); // that owner is there already
    auto next = std::make_shared<config::Config>(*f.config);
    next->allow.push_back(prefix("2001:db8:2::5"));
    const CapturedLog log;
    REQUIRE(f.bans.reconfigure(next, f.now));
    CHECK(log.text().empty());
    CHECK(f.bans.book().claims_of(address).size() == kEach);
    CHECK(f.bans.book().size() == authz::BanBook::kMaxClaims);
}

TEST_CASE("no more bans than the filter's maps hold, and the others of the same request stand" *
          doctest::test_suite("long")) {
    BanFixture f;
    std::vector<Prefix> many;
    for (unsigned i = 0; i <= xdp::kMaxBannedNetworks; ++i)
        many.push_back(Prefix::around(Address::v4(static_cast<std::uint8_t>(100 + (i >> 16)),
                                                  static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i), 0),
                                      96 + 24));
    const auto done = f.ban(many, 60s, "feed");
    REQUIRE(done);
    CHECK(done->prefixes.size() == xdp::kMaxBannedNetworks);
    REQUIRE(done->refused.size() == 1);
    CHECK(done->refused[0].prefix == many.back());
    CHECK(f.maps.networks == xdp::kMaxBannedNetworks);
    CHECK(f.ban("203.0.113.5")->refused.empty()); // addresses have their own room
}

TEST_CASE("in mode external bans count in the filter and nothing is written into nftables") {
    config::Config config = make_config();
    config.gate_mode = config::GateMode::external;
    BanFixture f(config);
    REQUIRE(f.ban("203.0.113.5", 10s));
    REQUIRE(f.ban("203.0.113.128/25", 10s));
    CHECK(f.sets.commits() == 0);
    CHECK(f.maps.bans.size() == 2);
    f.pass(11s);
    f.bans.expire(f.now);
    CHECK(f.sets.commits() == 0);
    CHECK(f.maps == BanMaps{});
}

TEST_CASE("a prefix has room for so many owners and for no more, and an owner who is there needs none") {
    BanFixture f;
    authz::BanBook full;
    const std::size_t kMost = authz::BanBook::kMaxOfPrefix;
    full.set(prefix("203.0.113.5"), claims_on(prefix("203.0.113.5"), kMost - 1, f.now.boot + 60s));
    f.fill(full);
    REQUIRE(f.ban("203.0.113.5", 60s, "the last")->refused.empty());
    const auto done = f.ban("203.0.113.5", 60s, "one more");
    REQUIRE(done->refused.size() == 1);
    CHECK(done->refused[0].error.message == "203.0.113.5 has too many owners, or all bans together");
    CHECK(f.ban("203.0.113.6", 60s, "one more")->refused.empty());
    CHECK(f.ban("203.0.113.5", 600s, "the last")->refused.empty());
    CHECK(f.bans.list().all().at(prefix("203.0.113.5")).until == f.now.boot + 600s);
    CHECK(f.bans.book().claims_of(prefix("203.0.113.5")).size() == kMost);
    f.check_same();
}

TEST_CASE("an address of IPv6 is banned alone where the filter has no room for another network" *
          doctest::test_suite("long")) {
    BanFixture f;
    std::vector<Prefix> many;
    for (unsigned i = 0; i < xdp::kMaxBannedNetworks; ++i)
        many.push_back(Prefix::around(Address::v4(static_cast<std::uint8_t>(100 + (i >> 16)),
                                                  static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i), 0),
                                      96 + 24));
    REQUIRE(f.ban(many, 60s, "feed")->refused.empty());
    CHECK(f.ban({prefix("2001:db8:2::5")}, 60s, "sshd", 64)->prefixes == std::vector{prefix("2001:db8:2::5")});
    // A second owner of a banned network takes no place.
    CHECK(f.ban({many.front()}, 60s, "other")->refused.empty());
    const auto more = f.ban("203.0.113.128/25");
    CHECK(more->refused.at(0).error.message ==
          "no more than " + std::to_string(xdp::kMaxBannedNetworks) + " networks can be banned");
}

TEST_CASE("an owner's name is printable and short, and a backslash stays as it is") {
    CHECK(Bans::owner_of("fail2ban sshd") == "fail2ban sshd");
    CHECK(Bans::owner_of("a\\x0a\n") == "a\\x0a\\x0a");
    CHECK(Bans::owner_of(std::string(500, 'x')).size() == nft::kMaxComment);
    CHECK(Bans::owner_of(std::string(500, '\n')).size() == nft::kMaxComment);
}

TEST_CASE("all bans of one family, or of one owner, are lifted and no others") {
    BanFixture f;
    const auto fill = [&] {
        REQUIRE(f.ban("203.0.113.5", 60s, "sshd"));
        REQUIRE(f.ban("203.0.113.5", 60s, "feed"));
        REQUIRE(f.ban("2001:db8::5", 60s, "sshd"));
    };
    fill();
    CHECK(f.bans.unban_all(Bans::Family::v6, {}, f.now).value() == 1);
    CHECK(f.bans.list().all().size() == 1);
    fill();
    CHECK(f.bans.unban_all(Bans::Family::v4, {}, f.now).value() == 2);
    CHECK(f.bans.list().all().contains(prefix("2001:db8::5")));
    fill();
    CHECK(f.bans.unban_all(Bans::Family::any, "sshd", f.now).value() == 2);
    CHECK(f.bans.book().claims_of(prefix("203.0.113.5")).size() == 1);
    f.check_same();
    f.faults.fail_at(1);
    CHECK_FALSE(f.bans.unban_all(Bans::Family::any, {}, f.now));
    f.faults.none();
    f.check_same();
}
