// SPDX-License-Identifier: MIT
#include "daemon/authz/ban_book.h"
#include "daemon/authz/ban_text.h"

#include <doctest/doctest.h>

using namespace xk;
using namespace xk::authz;
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

namespace {
BanClaim claim(const char* owner, const char* named, std::optional<BootTime> until) {
    return {owner, prefix(named), until};
}
BanBook book_of(std::initializer_list<std::pair<const char*, BanClaim>> claims) {
    BanBook book;
    for (const auto& [text, c] : claims)
        book.set(prefix(text), with_claim(book.claims_of(prefix(text)), c));
    return book;
}
std::vector<Prefix> prefixes(std::initializer_list<const char*> texts) {
    std::vector<Prefix> all;
    for (const char* text : texts)
        all.push_back(prefix(text));
    return all;
}
constexpr const char* kBoot = "0123456789abcdef";
} // namespace

TEST_CASE("each owner has a time of its own, and the longest counts") {
    BanBook book = book_of({{"192.0.2.7", claim("sshd", "192.0.2.7", kNow + 10s)},
                            {"192.0.2.7", claim("recidive", "192.0.2.7", kNow + 100s)},
                            {"192.0.2.7", claim("", "192.0.2.7", kNow + 50s)}});
    const Ban& ban = book.list().all().at(prefix("192.0.2.7"));
    CHECK(ban.until == kNow + 100s);
    CHECK(ban.reason == "recidive");
    CHECK(book.size() == 3);
    CHECK(book.expire(kNow + 10s).empty());
    CHECK(book.size() == 2);
    book.set(prefix("192.0.2.7"),
             without_claims(book.claims_of(prefix("192.0.2.7")), prefix("192.0.2.7"), prefix("192.0.2.7"), "recidive"));
    CHECK(book.list().all().at(prefix("192.0.2.7")).until == kNow + 50s);
    CHECK(book.expire(kNow + 50s) == prefixes({"192.0.2.7"}));
    CHECK(book.size() == 0);
    CHECK(book.list().all().empty());
}

TEST_CASE("of several that end later the first is the next to end, wherever it stands") {
    BanBook book = book_of({{"192.0.2.6", claim("", "192.0.2.6", kNow + 30s)},
                            {"192.0.2.7", claim("", "192.0.2.7", kNow + 10s)},
                            {"192.0.2.8", claim("", "192.0.2.8", kNow + 20s)},
                            {"192.0.2.9", claim("", "192.0.2.9", kNow + 40s)},
                            {"192.0.2.10", claim("", "192.0.2.10", std::nullopt)}});
    CHECK(book.expire(kNow + 10s) == prefixes({"192.0.2.7"}));
    CHECK(book.expire(kNow + 20s) == prefixes({"192.0.2.8"}));
    CHECK(book.expire(kNow + 30s) == prefixes({"192.0.2.6"}));
    CHECK(book.expire(kNow + 40s) == prefixes({"192.0.2.9"}));
}

TEST_CASE("a prefix whose last claim is taken away is not banned any more") {
    BanBook book = book_of({{"192.0.2.7", claim("sshd", "192.0.2.7", std::nullopt)}});
    CHECK(book.list().is_banned(prefix("192.0.2.7").address, kNow));
    book.set(prefix("192.0.2.7"), {});
    CHECK_FALSE(book.list().is_banned(prefix("192.0.2.7").address, kNow));
    CHECK_FALSE(book.list().has_length(128));
    CHECK(book.size() == 0);
}

TEST_CASE("bans of one length are looked up for as long as one of them is left") {
    BanList bans;
    CHECK(bans.add(prefix("192.0.2.0/24"), {}));
    CHECK(bans.add(prefix("198.51.100.0/24"), {}));
    CHECK_FALSE(bans.add(prefix("192.0.2.0/24"), {})); // replaces
    CHECK(bans.networks() == 2);
    CHECK(bans.addresses() == 0);
    CHECK(bans.remove(prefix("192.0.2.0/24")));
    CHECK_FALSE(bans.remove(prefix("192.0.2.0/24")));
    CHECK(bans.is_banned(prefix("198.51.100.7").address, kNow));
    CHECK_FALSE(bans.is_banned(prefix("192.0.2.7").address, kNow));
    CHECK(bans.remove(prefix("198.51.100.0/24")));
    CHECK_FALSE(bans.is_banned(prefix("198.51.100.7").address, kNow));
    CHECK_FALSE(bans.has_length(120));
}

TEST_CASE("a claim is prolonged by its owner and never shortened; for ever is longest") {
    BanClaims claims = with_claim({}, claim("a", "192.0.2.7", kNow + 10s));
    claims = with_claim(claims, claim("a", "192.0.2.7", kNow + 5s));
    CHECK(claims == BanClaims{claim("a", "192.0.2.7", kNow + 10s)});
    claims = with_claim(claims, claim("a", "192.0.2.7", kNow + 20s));
    CHECK(claims == BanClaims{claim("a", "192.0.2.7", kNow + 20s)});
    claims = with_claim(claims, claim("b", "192.0.2.7", std::nullopt));
    CHECK(longest_of(claims)->reason == "b");
    CHECK(longest_of(with_claim(claims, claim("a", "192.0.2.7", kNow + 2000h)))->reason == "b");
    CHECK_FALSE(longest_of({}).has_value());
}

TEST_CASE("addresses that are banned by their network have claims of their own") {
    BanBook book = book_of({{"2001:db8::/64", claim("f", "2001:db8::1", kNow + 10s)},
                            {"2001:db8::/64", claim("f", "2001:db8::2", kNow + 20s)},
                            {"2001:db8::1", claim("g", "2001:db8::1", kNow + 5s)},
                            {"2001:db8:0:1::/64", claim("f", "2001:db8:0:1::1", kNow + 5s)}});
    CHECK(book.banned_for(prefix("2001:db8::1")) == prefixes({"2001:db8::/64", "2001:db8::1"}));
    CHECK(book.banned_for(prefix("2001:db8::3")).empty());
    CHECK(book.around(prefix("2001:db8::3")) == prefixes({"2001:db8::/64"}));
    const Prefix net = prefix("2001:db8::/64");
    CHECK(without_claims(book.claims_of(net), net, prefix("2001:db8::1"), std::nullopt) ==
          BanClaims{claim("f", "2001:db8::2", kNow + 20s)});
    CHECK(without_claims(book.claims_of(net), net, prefix("2001:db8::1"), "g").size() == 2);
    CHECK(without_claims(book.claims_of(net), net, net, "f").empty());
}

TEST_CASE("a network inside another carries the time of the longer one into the filter") {
    const BanBook book = book_of({{"198.51.100.0/24", claim("", "198.51.100.0/24", kNow + 100s)},
                                  {"198.51.100.64/26", claim("", "198.51.100.64/26", kNow + 10s)},
                                  {"198.51.100.64/28", claim("", "198.51.100.64/28", kNow + 500s)},
                                  {"198.51.100.65", claim("", "198.51.100.65", kNow + 5s)}});
    CHECK(book.until_for_filter(prefix("198.51.100.64/26")) == kNow + 100s);
    CHECK(book.until_for_filter(prefix("198.51.100.64/28")) == kNow + 500s);
    CHECK(book.until_for_filter(prefix("198.51.100.0/24")) == kNow + 100s);
    CHECK(book.until_for_filter(prefix("198.51.100.65")) == kNow + 5s); // a map of its own
    CHECK(book.networks_inside(prefix("198.51.100.0/24")) == prefixes({"198.51.100.64/26", "198.51.100.64/28"}));
    CHECK(book.networks_inside(prefix("198.51.100.64/28")).empty());
}

TEST_CASE("the owners are read from their text as they were written") {
    BanBook book = book_of({{"192.0.2.7", claim("fail2ban sshd", "192.0.2.7", kNow + 10s)},
                            {"192.0.2.7", claim("", "192.0.2.7", std::nullopt)},
                            {"2001:db8::/64", claim("a  b ", "2001:db8::1", kNow + 20s)}});
    const std::string text = bans_head(kBoot) + bans_text(book);
    CHECK(read_bans_text(text, kBoot)->all() == book.all());
    // Changes that came after it; a line that was not written to its end does not count.
    const BanClaims before = book.claims_of(prefix("192.0.2.7"));
    const BanClaims after = {claim("fail2ban sshd", "192.0.2.7", kNow + 30s), claim("c", "192.0.2.7", kNow + 1s)};
    CHECK(change_lines(prefix("192.0.2.7"), before, before).empty());
    const std::string more = text + change_lines(prefix("192.0.2.7"), before, after);
    book.set(prefix("192.0.2.7"), after);
    CHECK(read_bans_text(more, kBoot)->all() == book.all());
    CHECK(read_bans_text(more + "+ 203.0.113.1 203.0.113.1 - x", kBoot)->all() == book.all());
    CHECK(read_bans_text(text + unclaim_line(prefix("2001:db8::/64"), claim("a  b ", "2001:db8::1", kNow)), kBoot)
              ->all()
              .size() == 1);
}

TEST_CASE("text of another boot, or that makes no sense, is not believed") {
    const std::string head = bans_head(kBoot);
    CHECK(read_bans_text(head, kBoot)->all().empty());
    CHECK_FALSE(read_bans_text("", kBoot));
    CHECK_FALSE(read_bans_text(head, "other"));
    CHECK(is_of_another_boot(head, "other"));
    CHECK_FALSE(is_of_another_boot(head, kBoot));
    CHECK_FALSE(is_of_another_boot("senseless", kBoot));
    const std::string boot(kBoot);
    CHECK(is_of_newer_release("xknock-bans 2 " + boot + "\nwhatever", kBoot));
    CHECK(is_of_newer_release("xknock-bans 10 " + boot, kBoot));
    CHECK_FALSE(is_of_newer_release("xknock-bans 2 other\n", kBoot)); // its times mean nothing
    CHECK_FALSE(is_of_newer_release(head, kBoot));
    CHECK_FALSE(is_of_newer_release("xknock-bans x " + boot, kBoot));
    CHECK_FALSE(is_of_newer_release("senseless", kBoot));
    for (const char* line :
         {"\n", "+\n", "+ 192.0.2.1\n", "+ 192.0.2.1 192.0.2.1 x y\n", "* 192.0.2.1 192.0.2.1 - x\n",
          "+ 192.0.2.1 192.0.2.2 - x\n", "+ 192.0.2.1/24 192.0.2.1 - x\n", "+ 192.0.2.1 192.0.2.1 -5 x\n",
          "+ 192.0.2.1 192.0.2.1 99999999999999999999 x\n", "- 192.0.2.1 x\n"})
        CHECK_MESSAGE(!read_bans_text(head + line, kBoot), line);
}
