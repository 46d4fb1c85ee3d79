// SPDX-License-Identifier: MIT
#include "fixtures.h"

#include "daemon/authz/grant_book.h"
#include "daemon/authz/rights.h"

using namespace xk;
using namespace xk::test;

namespace {

const BootTime kNow(1000s);
const Pinhole kSsh{Address::v4(192, 0, 2, 7), {}, {IpProtocol::tcp, 22}};
const wire::CredentialId kAnna{1}, kBob{2};

struct Book : GrantBook {
    PinholeChange open(const Pinhole& pinhole, const wire::CredentialId& who, BootTime until) {
        const PinholeChange change = plan_open(pinhole, {who, until});
        enter_changes({change});
        return change;
    }
};

} // namespace

TEST_CASE("a second knock extends, never shortens, never duplicates") {
    Book book;
    CHECK(book.open(kSsh, kAnna, kNow + 30s).until() == kNow + 30s);
    CHECK(book.open(kSsh, kAnna, kNow + 60s).until() == kNow + 60s);
    CHECK(book.open(kSsh, kAnna, kNow + 10s).until() == kNow + 60s);
    CHECK(book.pinholes() == 1);
    CHECK(book.all().at(kSsh).size() == 1);
}

TEST_CASE("the book tells who has come to hold a grant, and who has ceased to, each once") {
    Book book;
    book.open(kSsh, kAnna, kNow + 30s);
    book.open(kSsh, kAnna, kNow + 60s); // longer is no beginning
    book.open(kSsh, kBob, kNow + 30s);
    const auto began = book.take_began();
    REQUIRE(began.size() == 2);
    CHECK(began[0].credential == kAnna);
    CHECK(began[1].credential == kBob);
    CHECK(began[1].pinhole == kSsh);
    CHECK(book.take_began().empty());
    CHECK(book.take_ended().empty());
    book.expire(kNow + 45s);
    book.enter_changes(book.plan_close(kSsh, kAnna));
    const auto ended = book.take_ended();
    REQUIRE(ended.size() == 2);
    CHECK(ended[0].credential == kBob);
    CHECK_FALSE(ended[0].last);
    CHECK(ended[1].credential == kAnna);
    CHECK(ended[1].last);
    CHECK(book.take_ended().empty());
    CHECK(book.take_began().empty());
}

TEST_CASE("the book tells why each holder ends, and who holds a grant for longer") {
    Book book;
    book.open(kSsh, kAnna, kNow + 30s);
    book.open(kSsh, kBob, kNow + 60s);
    book.open(kSsh, kBob, kNow + 60s); // no longer than before
    CHECK(book.take_prolonged().empty());
    book.open(kSsh, kAnna, kNow + 40s);
    const auto prolonged = book.take_prolonged();
    REQUIRE(prolonged.size() == 1);
    CHECK(prolonged[0].credential == kAnna);
    CHECK(book.take_prolonged().empty());
    book.enter_changes(book.plan_close(kSsh, kAnna));
    CHECK(book.take_ended().at(0).cause == EndCause::by_user);
    book.open(kSsh, kAnna, kNow + 30s);
    // Two who end at once, each for a reason of their own.
    book.enter_changes(book.plan_keep([](const Pinhole&, const Holder& holder) {
        return holder.credential == kAnna ? EndCause::rights : EndCause::configuration;
    }));
    for (const auto& ended : book.take_ended())
        CHECK(ended.cause == (ended.credential == kAnna ? EndCause::rights : EndCause::configuration));
    book.open(kSsh, kAnna, kNow + 30s);
    book.expire(kNow + 31s);
    CHECK(book.take_ended().at(0).cause == EndCause::expired);
    book.open(kSsh, kAnna, kNow + 30s);
    book.enter_changes(book.plan_close(Prefix::of(kSsh.address)));
    CHECK(book.take_ended().at(0).cause == EndCause::by_operator);
}

TEST_CASE("a plan changes nothing until it is entered") {
    const Book book;
    book.plan_open(kSsh, {kAnna, kNow});
    CHECK(book.pinholes() == 0);
}

TEST_CASE("two users behind one address share a grant, and one closing leaves the other") {
    Book book;
    book.open(kSsh, kAnna, kNow + 60s);
    const PinholeChange both = book.open(kSsh, kBob, kNow + 30s);
    CHECK(both.holders.size() == 2);
    CHECK(both.until() == kNow + 60s);
    const auto closed = book.plan_close(kSsh, kAnna);
    REQUIRE(closed.size() == 1);
    CHECK(closed[0].holders == std::vector<Holder>{{kBob, kNow + 30s}});
    book.enter_changes(closed);
    CHECK(book.plan_close(kSsh, kAnna).empty());
    const auto last = book.plan_close(kSsh, kBob);
    REQUIRE(last.size() == 1);
    CHECK(last[0].holders.empty());
    book.enter_changes(last);
    CHECK(book.pinholes() == 0);
}

TEST_CASE("close-all closes what is one's own, everywhere") {
    Book book;
    Pinhole other = kSsh;
    other.address = Address::v4(192, 0, 2, 8);
    book.open(kSsh, kAnna, kNow + 60s);
    book.open(other, kAnna, kNow + 60s);
    book.open(other, kBob, kNow + 60s);
    CHECK(book.pinholes_of(kAnna) == 2);
    const auto changes = book.plan_close_all(kAnna);
    CHECK(changes.size() == 2);
    book.enter_changes(changes);
    CHECK(book.pinholes() == 1);
    CHECK(book.pinholes_of(kBob) == 1);
    CHECK(book.pinholes_of(kAnna) == 0);
}

TEST_CASE("an address or network is closed whoever holds it") {
    Book book;
    book.open(kSsh, kAnna, kNow + 60s);
    book.open(kSsh, kBob, kNow + 60s);
    book.open({Address::v4(198, 51, 100, 7), {}, {IpProtocol::tcp, 22}}, kBob, kNow + 60s);
    CHECK(book.plan_close(Prefix::parse("192.0.2.0/24").value()).size() == 1);
    CHECK(book.plan_close(Prefix::parse("0.0.0.0/0").value()).size() == 2);
    CHECK(book.plan_close(Prefix::parse("::/0").value()).empty());
}

TEST_CASE("of too many holders the one whose time ends first gives way") {
    Book book;
    for (std::uint8_t i = 0; i < kMaxHolders + 4; ++i)
        book.open(kSsh, {static_cast<std::uint8_t>(100 + i)}, kNow + 10s * (i + 1));
    const auto& holders = book.all().at(kSsh);
    CHECK(holders.size() == kMaxHolders);
    CHECK(holders.front().until == kNow + 10s * (kMaxHolders + 4));
    CHECK(holders.back().until == kNow + 50s);
    // Also for one whose own time is shorter.
    book.open(kSsh, kAnna, kNow + 1s);
    CHECK(book.all().at(kSsh).size() == kMaxHolders);
    CHECK(book.all().at(kSsh).back() == Holder{kAnna, kNow + 1s});
    // Nor do more come in from elsewhere, such as the state of a daemon before.
    std::vector<Holder> many;
    for (std::uint8_t i = 0; i <= kMaxHolders; ++i)
        many.push_back({{i}, kNow + 1s * i});
    put_longest_first(many);
    CHECK(many.size() == kMaxHolders);
    CHECK(many.front().until == kNow + 1s * kMaxHolders);
    CHECK(many.back().until == kNow + 1s);
}

TEST_CASE("what is over is forgotten") {
    Book book;
    book.open(kSsh, kAnna, kNow + 60s);
    book.open(kSsh, kBob, kNow + 30s);
    book.expire(kNow + 30s);
    CHECK(book.all().at(kSsh) == std::vector<Holder>{{kAnna, kNow + 60s}});
    book.expire(kNow + 60s);
    CHECK(book.pinholes() == 0);
}

TEST_CASE("grants of a credential are counted, however they end") {
    Book book;
    const Pinhole web{kSsh.address, {}, {IpProtocol::tcp, 80}};
    book.open(kSsh, kAnna, kNow + 10s);
    book.open(kSsh, kBob, kNow + 10s); // the same end
    book.open(web, kAnna, kNow + 20s);
    CHECK(book.pinholes_of(kAnna) == 2);
    book.open(kSsh, kAnna, kNow + 30s); // longer: the first end does not count any more
    CHECK(book.pinholes_of(kAnna) == 2);
    book.expire(kNow + 10s);
    CHECK(book.pinholes_of(kBob) == 0);
    CHECK(book.pinholes_of(kAnna) == 2);
    book.enter_changes(book.plan_close(web, kAnna));
    CHECK(book.pinholes_of(kAnna) == 1);
    book.expire(kNow + 20s);
    CHECK(book.pinholes() == 1);
    book.expire(kNow + 30s);
    CHECK(book.pinholes() == 0);
    CHECK(book.pinholes_of(kAnna) == 0);
}

TEST_CASE("whoever ceases to hold a grant is told of once, in whatever way it came") {
    Book book;
    book.open(kSsh, kAnna, kNow + 60s);
    book.open(kSsh, kBob, kNow + 30s);
    CHECK(book.take_ended().empty());
    book.expire(kNow + 30s);
    auto ended = book.take_ended();
    REQUIRE(ended.size() == 1);
    CHECK(ended[0].credential == kBob);
    CHECK_FALSE(ended[0].last);
    book.open(kSsh, kBob, kNow + 60s);
    book.enter_changes(book.plan_close(kSsh, kBob));
    book.enter_changes(book.plan_close(Prefix::of(kSsh.address)));
    ended = book.take_ended();
    REQUIRE(ended.size() == 2);
    CHECK(ended[1].credential == kAnna);
    CHECK(ended[1].last);
    CHECK(book.take_ended().empty());
}

TEST_CASE("a grant for one connection is that only while all who hold it want it so") {
    Book book;
    book.enter_changes({book.plan_open(kSsh, {kAnna, kNow + 60s, true})});
    CHECK(book.plan_open(kSsh, {kAnna, kNow + 90s, true}).single_use());
    CHECK_FALSE(book.plan_open(kSsh, {kAnna, kNow + 90s, false}).single_use());
    const PinholeChange both = book.plan_open(kSsh, {kBob, kNow + 60s, false});
    CHECK_FALSE(both.single_use());
    book.enter_changes({both});
    CHECK(book.plan_close(kSsh, kBob).at(0).single_use());
}

namespace {

// What the book becomes by this policy, at a time.
std::vector<PinholeChange> kept(const Book& book, const Policy& policy, WallTime when = WallTime(1'700'000'000s)) {
    return book.plan_keep([&](const Pinhole& pinhole, const Holder& holder) {
        return may_keep(policy, holder.credential, pinhole, Now{when, kNow}).is_allowed() ? EndCause::none
                                                                                          : EndCause::rights;
    });
}

} // namespace

TEST_CASE("after a reload only those hold grants who still may") {
    Policy policy = Setup::make_policy();
    Book book;
    Pinhole web = kSsh;
    web.endpoint.port = 443;
    const auto& hmac = policy.credentials[kHmac].id;
    const auto& plain = policy.credentials[kPlain].id;
    book.open(kSsh, hmac, kNow + 60s);
    book.open(kSsh, plain, kNow + 60s);
    book.open(web, hmac, kNow + 60s);
    const auto keep = [&] { return kept(book, policy); };
    CHECK(keep().empty());
    policy.credentials[kHmac].services.reset(1); // no more web
    const auto changes = keep();
    REQUIRE(changes.size() == 1);
    CHECK(changes[0].pinhole == web);
    // Nor where he may not be any more, unless he may open for others there.
    NetworkList& networks = policy.credentials[kPlain].networks;
    networks.count = 1;
    networks.networks[0] = Prefix::parse("203.0.113.0/24").value();
    CHECK(keep().size() == 2);
    policy.credentials[kPlain].binding = Binding::explicit_;
    CHECK(keep().size() == 1);
    policy.credentials[kPlain].enabled = false;
    CHECK(keep().size() == 2);
    policy.credentials.clear();
    for (const PinholeChange& change : keep())
        CHECK(change.holders.empty());
}

TEST_CASE("a deleted user's grants end with the reload, and others' in the same pinhole stay") {
    Policy policy = Setup::make_policy();
    policy.make_index();
    Book book;
    const auto hmac = policy.credentials[kHmac].id, plain = policy.credentials[kPlain].id;
    Pinhole alone = kSsh;
    alone.address = address("192.0.2.8");
    book.open(kSsh, hmac, kNow + 60s);
    book.open(kSsh, plain, kNow + 60s);
    book.open(alone, plain, kNow + 60s);
    CHECK(kept(book, policy).empty());
    policy.credentials.erase(policy.credentials.begin() + kPlain);
    policy.make_index();
    CHECK(may_keep(policy, plain, kSsh, Now{WallTime(1'700'000'000s), kNow}).reason == Reject::disabled);
    CHECK_FALSE(is_entitled(policy, plain, kSsh));
    const auto changes = kept(book, policy);
    REQUIRE(changes.size() == 2);
    book.enter_changes(changes);
    REQUIRE(book.all().size() == 1);
    CHECK(book.all().begin()->first == kSsh);
    CHECK(book.all().at(kSsh) == std::vector<Holder>{{hmac, kNow + 60s}});
    CHECK(book.pinholes_of(plain) == 0);
}

TEST_CASE("dates and hours end what is held, at the moment") {
    Policy policy = Setup::make_policy();
    Book book;
    book.open(kSsh, policy.credentials[kHmac].id, kNow + 60s);
    Credential& c = policy.credentials[kHmac];
    const WallTime noon(1'700'000'000s);
    CHECK_FALSE(is_bound_in_time(c));
    CHECK(kept(book, policy, noon).empty());
    c.valid_until = noon;
    CHECK(is_bound_in_time(c));
    CHECK(kept(book, policy, noon - 1us).empty());
    CHECK(kept(book, policy, noon).size() == 1);
    CHECK(lapsed(policy, c, Now{noon, kNow}) == Reject::expired);
    c.valid_until = WallTime::max();
    c.valid_from = noon;
    CHECK(lapsed(policy, c, Now{noon - 1us, kNow}) == Reject::not_yet_valid);
    CHECK(kept(book, policy, noon).empty());
    c.valid_from = WallTime::min();
    const auto day = std::chrono::floor<std::chrono::days>(noon);
    c.hours.count = 1;
    c.hours.spans[0] = {0, 1}; // the first minute of Sunday
    CHECK(is_bound_in_time(c));
    CHECK(lapsed(policy, c, Now{WallTime(day + 12h), kNow}) == Reject::hours);
    CHECK(kept(book, policy, WallTime(day + 12h)).size() == 1);
    // The right to a pinhole has no time.
    CHECK(is_entitled(policy, c.id, kSsh));
    c.services.reset(0);
    CHECK_FALSE(is_entitled(policy, c.id, kSsh));
    CHECK(is_entitled(policy, kOperator, kSsh));
    c.services.set(0);
    c.enabled = false;
    CHECK_FALSE(is_entitled(policy, c.id, kSsh));
    CHECK(may_keep(policy, c.id, kSsh, Now{noon, kNow}).reason == Reject::disabled);
}

namespace {

struct CeilingOf {
    Policy policy = Setup::make_policy();
    Book book;
    BanList bans;
    std::set<Address> own = {address("192.0.2.1")};
    std::size_t max_pinholes = 100;
    Now now{WallTime(1'700'000'000s), kNow};
    GrantRequest good{kHmac, address("192.0.2.7"), service_id("web"), {}, {}, false, 0};

    Ceiling ceiling() const { return {policy, book, bans, own, max_pinholes}; }
    Permit open(const GrantRequest& r) const { return permit_open(r, ceiling(), now); }
    Answer answer(const GrantRequest& r) const { return open(r).answer; }
    Answer answer() const { return open(good).answer; }
};

} // namespace

TEST_CASE("the privileged process permits what the configuration permits") {
    const CeilingOf c;
    const Permit permit = c.open(c.good);
    CHECK(permit.answer == Answer::done);
    CHECK(permit.pinholes.size() == 2);
    CHECK(permit.pinholes[0].lifetime == 30s);
    CHECK(permit.pinholes[0].service == 1);
    CHECK(permit_close(c.good, c.policy).pinholes.size() == 2);
}

TEST_CASE("the privileged process refuses whatever no user could have got") {
    const CeilingOf c;
    GrantRequest r = c.good;
    for (const std::uint32_t index : {5u, UINT32_MAX}) {
        r.credential = index;
        CHECK(c.answer(r) == Answer::refused);
        CHECK(permit_close(r, c.policy).answer == Answer::refused);
    }
    r = c.good;
    r.credential = kPlain; // web is not bob's
    CHECK(c.answer(r) == Answer::refused);
    CHECK(permit_close(r, c.policy).answer == Answer::refused);
    r = c.good;
    r.service = 0;
    for (const Endpoint wrong : {Endpoint{IpProtocol::tcp, 3306}, Endpoint{IpProtocol::udp, 443},
                                 Endpoint{static_cast<IpProtocol>(99), 443}, Endpoint{}}) {
        r.endpoint = wrong;
        CHECK(c.answer(r) == Answer::refused);
    }
    for (const char* bad : {"0.0.0.0", "127.0.0.1", "224.0.0.1", "::", "fe80::1"}) {
        r = c.good;
        r.address = address(bad);
        CHECK(c.answer(r) == Answer::refused);
    }
    r = c.good;
    r.address = address("192.0.2.1");
    CHECK(c.answer(r) == Answer::own_address);
    r = c.good;
    r.lifetime = UINT32_MAX;
    CHECK(c.open(r).pinholes[0].lifetime == 3600s);
}

TEST_CASE("the privileged process looks at standing, dates and bans for itself") {
    CeilingOf disabled;
    disabled.policy.credentials[kHmac].enabled = false;
    CHECK(disabled.answer() == Answer::refused);
    CeilingOf expired;
    expired.policy.credentials[kHmac].valid_until = expired.now.wall;
    CHECK(expired.answer() == Answer::refused);
    CeilingOf early;
    early.policy.credentials[kHmac].valid_from = early.now.wall + 1s;
    CHECK(early.answer() == Answer::refused);
    CeilingOf banned;
    banned.bans.add(Prefix::parse("192.0.2.0/24").value(), {});
    CHECK(banned.answer() == Answer::banned);
}

TEST_CASE("neither the host nor a credential gets more grants than its limit; extending is no new grant") {
    CeilingOf c;
    c.max_pinholes = 2;
    const auto& hmac = c.policy.credentials[kHmac].id;
    for (const Pinhole& pinhole : c.open(c.good).plain())
        c.book.open(pinhole, hmac, kNow + 30s);
    CHECK(c.answer() == Answer::done);
    GrantRequest other = c.good;
    other.address = address("192.0.2.8");
    CHECK(c.answer(other) == Answer::limit);

    c.max_pinholes = 100'000;
    for (std::uint8_t i = 0; c.book.pinholes_of(hmac) < kMaxPinholesOfCredential; ++i)
        c.book.open({Address::v4(198, 51, 100, i), {}, {IpProtocol::tcp, 22}}, hmac, kNow + 30s);
    CHECK(c.answer() == Answer::done);
    CHECK(c.answer(other) == Answer::limit);
    other.credential = kPlain;
    other.service = service_id("ssh");
    CHECK(c.answer(other) == Answer::done);
}

TEST_CASE("the operator opens every service, within the host's limits, and keeps it while the service is there") {
    CeilingOf c;
    GrantRequest asked = c.good;
    asked.credential = 0xffffffff;
    asked.lifetime = 86'400;
    CHECK(c.answer(asked) == Answer::refused); // asked for by the worker
    const Permit permit = permit_operator(asked, c.ceiling(), c.now);
    CHECK(permit.answer == Answer::done);
    CHECK(permit.pinholes[0].lifetime == 24h);
    asked.service = service_id("nothing");
    CHECK(permit_operator(asked, c.ceiling(), c.now).answer == Answer::refused);
    asked.service = c.good.service;
    asked.address = address("192.0.2.1");
    CHECK(permit_operator(asked, c.ceiling(), c.now).answer == Answer::own_address);
    asked.address = c.good.address;
    c.bans.add(Prefix::of(asked.address), {});
    CHECK(permit_operator(asked, c.ceiling(), c.now).answer == Answer::banned);
    c.bans = {};

    // A grant ends with whoever has it, to the second.
    c.policy.credentials[kHmac].valid_until = c.now.wall + 7s;
    CHECK(c.open(c.good).pinholes[0].lifetime == 7s);
    c.policy.credentials[kHmac].valid_until = c.now.wall + 300ms;
    CHECK(c.open(c.good).pinholes[0].lifetime == 1s);
    c.policy.credentials[kHmac].valid_until = c.now.wall;
    CHECK(c.answer(c.good) == Answer::refused);
    c.policy.credentials[kHmac].valid_until = WallTime::max();

    c.book.open(permit.pinholes.front().pinhole, kOperator, kNow + 60s);
    CHECK(kept(c.book, c.policy).empty());
    c.policy.services.clear();
    CHECK(kept(c.book, c.policy).size() == 1);
}
