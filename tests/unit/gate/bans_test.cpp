// SPDX-License-Identifier: MIT
#include "daemon/gate/bans.h"

#include <doctest/doctest.h>

using namespace xk;
using namespace xk::gate;
using namespace std::chrono_literals;

namespace {
Prefix prefix(const char* text) { return Prefix::parse(text).value(); }
Address address(const char* text) { return Address::parse(text).value(); }
const BootTime kNow(1000s);
} // namespace

TEST_CASE("addresses and networks are banned until their time is over") {
    BanList bans;
    CHECK(bans.add(prefix("192.0.2.7"), {kNow + 10s, "ssh"}));
    CHECK(bans.add(prefix("2001:db8::/32"), {std::nullopt, ""}));
    CHECK(bans.add(prefix("198.51.100.0/25"), {kNow + 5s, ""}));
    CHECK(bans.is_banned(address("192.0.2.7"), kNow));
    CHECK_FALSE(bans.is_banned(address("192.0.2.8"), kNow));
    CHECK_FALSE(bans.is_banned(address("192.0.2.7"), kNow + 10s));
    CHECK(bans.is_banned(address("2001:db8:ffff::1"), kNow + 10000h));
    CHECK(bans.is_banned(address("198.51.100.127"), kNow));
    CHECK_FALSE(bans.is_banned(address("198.51.100.128"), kNow));
    CHECK(bans.addresses() == 1);
    CHECK(bans.networks() == 2);
    CHECK(bans.next_expiry() == kNow + 5s);
}

TEST_CASE("a second ban replaces the first") {
    BanList bans;
    CHECK(bans.add(prefix("192.0.2.7"), {kNow + 10s, "a"}));
    CHECK_FALSE(bans.add(prefix("192.0.2.7"), {kNow + 20s, "b"}));
    CHECK(bans.addresses() == 1);
    CHECK(bans.is_banned(address("192.0.2.7"), kNow + 15s));
    CHECK(bans.all().at(prefix("192.0.2.7")).reason == "b");
}

TEST_CASE("only the very same prefix is taken away") {
    BanList bans;
    bans.add(prefix("192.0.2.0/24"), {});
    CHECK_FALSE(bans.remove(prefix("192.0.2.7")));
    CHECK(bans.is_banned(address("192.0.2.7"), kNow));
    CHECK(bans.remove(prefix("192.0.2.0/24")));
    CHECK_FALSE(bans.is_banned(address("192.0.2.7"), kNow));
    CHECK(bans.networks() == 0);
}

TEST_CASE("what is over is taken away and named") {
    BanList bans;
    bans.add(prefix("192.0.2.7"), {kNow + 10s, ""});
    bans.add(prefix("192.0.2.8"), {kNow + 20s, ""});
    bans.add(prefix("192.0.2.9"), {});
    CHECK(bans.expire(kNow).empty());
    CHECK(bans.expire(kNow + 10s) == std::vector<Prefix>{prefix("192.0.2.7")});
    CHECK(bans.all().size() == 2);
    CHECK(bans.next_expiry() == kNow + 20s);
}

TEST_CASE("a ban of all of IPv6 bans no IPv4") {
    BanList bans;
    bans.add(prefix("::/0"), {});
    CHECK(bans.is_banned(address("2001:db8::1"), kNow));
    CHECK_FALSE(bans.is_banned(address("192.0.2.1"), kNow));
}
