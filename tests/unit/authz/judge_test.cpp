// SPDX-License-Identifier: MIT
#include "fixtures.h"

#include "daemon/authz/lockout.h"

#include <functional>
#include <random>

using namespace xk;
using namespace xk::test;

TEST_CASE("a genuine knock of every factor opens for the packet's own source") {
    for (const auto who : {kTotp, kHmac, kPlain, kDelegate, kTotp8}) {
        Court court;
        const Outcome outcome = court.knock(who);
        REQUIRE(is_accepted(outcome));
        CHECK(outcome.accepted()->action == Action::open);
        CHECK(outcome.accepted()->address == address("192.0.2.7"));
        CHECK(outcome.accepted()->what == "ssh");
        CHECK(outcome.credential == who);
        REQUIRE(court.firewall.opened.size() == 1);
        CHECK(court.firewall.opened[0].credential == who);
        CHECK(court.firewall.opened[0].address == address("192.0.2.7"));
        CHECK(court.firewall.opened[0].service == service_id("ssh"));
        CHECK(court.state.header().accepted[1] == 1);
        CHECK(court.record(who).accepted == 1);
    }
}

TEST_CASE("IPv6 is no different") {
    Court court;
    CHECK(is_accepted(court.knock(kPlain, "2001:db8::7")));
    CHECK(court.firewall.opened.at(0).address == address("2001:db8::7"));
}

// Step 1

TEST_CASE("a knock that waited too long for the daemon is forgotten") {
    Court court;
    const Record c = court.sealed(kPlain, court.request(kPlain));
    court.pass(61s);
    CHECK(is_refused(court.judged(c), Reject::late));
    CHECK(court.firewall.untouched());
}

TEST_CASE("a knock that waited for the daemon to restart is judged by the time of its arrival") {
    Court court;
    const Record c = court.sealed(kTotp, court.request(kTotp));
    court.pass(59s); // the code's step is over, and so is the skew
    court.restart();
    CHECK(is_accepted(court.judged(c)));
}

TEST_CASE("a tag that is nobody's, or of a slot that does not count, is refused") {
    Court court;
    Record c = court.sealed(kPlain, court.request(kPlain));
    c.bytes[0] ^= 1;
    CHECK(is_refused(court.judged(c), Reject::tag));
    for (const auto away : {-90s, 90s}) {
        Request r = court.request(kPlain);
        r.clock += away;
        CHECK(is_refused(court.knock(kPlain, r), Reject::tag));
    }
    Record zeros;
    zeros.bytes.resize(wire::kPacketSize);
    zeros.arrived = court.now.boot;
    CHECK(is_refused(court.judged(zeros), Reject::tag));
    CHECK(court.firewall.untouched());
}

TEST_CASE("every changed bit behind the tag is refused by MAC, and the genuine packet still counts") {
    Court court;
    const Record genuine = court.sealed(kTotp, court.request(kTotp));
    for (std::size_t bit = 64; bit < 8 * wire::kPacketSize; ++bit) {
        Record c = genuine;
        c.bytes[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
        CHECK(is_refused(court.judged(c), Reject::mac));
    }
    CHECK(court.record(kTotp).failures == 0);
    CHECK(is_accepted(court.judged(genuine)));
}

// Step 2

TEST_CASE("a right MAC does not make up for a wrong box") {
    Court court;
    Record c = court.sealed(kPlain, court.request(kPlain));
    c.bytes[100] ^= 1;
    const auto gate = gate_keys(court.keys_of(kPlain).gate, slot_of(court.now.wall));
    const auto mac = compute_mac(gate.mac_key, packet_of(c));
    std::copy(mac.begin(), mac.end(), c.bytes.begin() + wire::kMacOffset);
    CHECK(is_refused(court.judged(c), Reject::box));
}

// Step 3

TEST_CASE("each fault that the decoder finds has its own reason") {
    Court court;
    struct Row {
        std::size_t offset;
        std::uint8_t value;
        Reject reason;
    };
    for (const Row& row : {Row{0, 2, Reject::version}, Row{1, 9, Reject::action}, Row{2, 9, Reject::factor},
                           Row{3, 9, Reject::address_mode}, Row{4, 1, Reject::protocol}, Row{5, 2, Reject::flags},
                           Row{6, 1, Reject::port}, Row{16, 0xff, Reject::clock}, Row{24, 1, Reject::address},
                           Row{56, 0xff, Reject::target}, Row{71, 1, Reject::target}}) {
        const Request r = court.request(kPlain);
        RequestBytes bytes = encode(r);
        bytes[row.offset] = row.value;
        CHECK(is_refused(court.judged(court.sealed_bytes(kPlain, r, bytes)), row.reason));
        CHECK(court.count(row.reason) >= 1);
    }
    CHECK(court.firewall.untouched());
}

// Step 4

TEST_CASE("client clocks up to the horizon are refused") {
    Court court;
    court.state.header().horizon = court.now.wall.time_since_epoch().count();
    CHECK(is_refused(court.knock(kPlain), Reject::horizon));
    court.pass(1us);
    CHECK(is_accepted(court.knock(kPlain)));
}

TEST_CASE("the horizon moves with a wall clock that was wrong when judgement began") {
    Court court;
    court.state.header().horizon_boot = court.now.boot.time_since_epoch().count();
    court.set_wall(court.now.wall + 1h); // set right: by the horizon in wall time alone, old packets are new
    court.state.header().horizon = (court.now.wall - 1h).time_since_epoch().count();
    CHECK(is_refused(court.knock(kPlain), Reject::horizon));
    court.pass(1us);
    CHECK(is_accepted(court.knock(kPlain)));
}

TEST_CASE("a client's clock may be off by the skew, to the microsecond") {
    for (const auto sign : {-1, 1}) {
        Court court;
        Request r = court.request(kPlain);
        r.clock = court.now.wall + sign * std::chrono::microseconds(30s);
        CHECK(is_accepted(court.knock(kPlain, r)));
        r = court.request(kPlain);
        r.clock = court.now.wall + sign * (std::chrono::microseconds(30s) + 1us);
        CHECK(is_refused(court.knock(kPlain, r), sign < 0 ? Reject::stale : Reject::future));
    }
}

TEST_CASE("a packet counts once, from whatever source it comes again") {
    Court court;
    const Record c = court.sealed(kPlain, court.request(kPlain));
    CHECK(is_accepted(court.judged(c)));
    for (int i = 0; i < 3; ++i)
        CHECK(is_refused(court.judged(c), Reject::replay));
    Record attacker = c;
    attacker.source = address("198.51.100.66");
    CHECK(is_refused(court.judged(attacker), Reject::replay));
    court.restart();
    CHECK(is_refused(court.judged(c), Reject::replay));
    CHECK(court.firewall.opened.size() == 1);
}

TEST_CASE("a retry of a request is accepted and does nothing") {
    Court court;
    const Request r = court.request(kTotp);
    CHECK(is_accepted(court.knock(kTotp, r)));
    const Outcome again = court.knock(kTotp, r); // sealed anew: another nonce
    REQUIRE(again.accepted() != nullptr);
    CHECK(again.accepted()->retry);
    CHECK(court.firewall.opened.size() == 1);
    CHECK(court.state.header().retries == 1);
}

TEST_CASE("a retry from another address is refused") {
    Court court;
    const Request r = court.request(kTotp);
    CHECK(is_accepted(court.knock(kTotp, r)));
    CHECK(is_refused(court.knock(kTotp, r, "192.0.2.8"), Reject::request_reused));
}

TEST_CASE("the same request id of two credentials is two requests") {
    Court court;
    Request r = court.request(kPlain);
    CHECK(is_accepted(court.knock(kPlain, r)));
    CHECK(is_accepted(court.knock(kDelegate, r)));
    CHECK(court.firewall.opened.size() == 2);
}

TEST_CASE("a worker that ended in the middle goes on where it was, and does it once") {
    // The state as kill -9 leaves it: the packet is being judged, or its request is being done.
    for (const bool request_too : {false, true}) {
        Court court;
        const Request r = court.request(kTotp);
        const Record c = court.sealed(kTotp, r);
        ReplayEntry* const entry = court.state.replay().remember(
            {court.policy.credentials[kTotp].id, r.id, packet_mac(packet_of(c))}, slot_of(r.clock), c.source, 0);
        if (request_too)
            entry->progress = Progress::asking;
        court.restart();
        Record thief = c;
        thief.source = address("198.51.100.66");
        CHECK(is_refused(court.judged(thief), Reject::replay));
        CHECK(is_accepted(court.judged(c)));
        CHECK(is_refused(court.judged(c), Reject::replay));
        CHECK(court.firewall.opened.size() == 1);
    }
}

namespace {

struct Killed {};

// The worker ends while it asks for a grant, or before xknockd hears of it.
struct DyingFirewall : RecordingFirewall {
    bool before = false;
    Answer open(const GrantRequest& r) override {
        if (before)
            throw Killed{};
        RecordingFirewall::open(r);
        throw Killed{};
    }
};

} // namespace

TEST_CASE("kill -9 at every point of a judgement opens exactly once after the restart") {
    for (const bool before : {true, false}) {
        Court court;
        const Record c = court.sealed(kTotp, court.request(kTotp));
        DyingFirewall dying;
        dying.before = before;
        CHECK_THROWS_AS(court.judge->judge(c, court.now, dying), Killed);
        court.restart();
        CHECK(is_accepted(court.judged(c))); // opening twice is opening once: the grant is the same
        CHECK(is_refused(court.judged(c), Reject::replay));
    }
}

TEST_CASE("a record that ends the worker again and again is thrown away") {
    Court court;
    const Record c = court.sealed(kPlain, court.request(kPlain));
    for (std::uint32_t i = 0; i < kMaxAttempts; ++i) {
        DyingFirewall dying;
        CHECK_THROWS_AS(court.judge->judge(c, court.now, dying), Killed);
        court.restart();
    }
    CHECK(is_refused(court.judged(c), Reject::crashed));
    CHECK(is_accepted(court.knock(kPlain)));
}

TEST_CASE("copies of a wrong code do not count as more wrong codes") {
    Court court;
    Request r = court.request(kTotp);
    Court::set_code(r, "000000");
    const Record c = court.sealed(kTotp, r);
    CHECK(is_refused(court.judged(c), Reject::wrong_code));
    for (int i = 0; i < 100; ++i)
        CHECK(is_refused(court.judged(c), Reject::replay));
    CHECK(court.record(kTotp).failures == 1);
}

TEST_CASE("a wrong code that the client seals anew is still one wrong code") {
    Court court;
    for (const auto pause : {0s, 1s, 2s}) { // a person typed it once; the second server address has its own request
        court.pass(pause);
        for (int address = 0; address < 2; ++address) {
            Request r = court.request(kTotp);
            Court::set_code(r, "000000");
            CHECK(is_refused(court.knock(kTotp, r), Reject::wrong_code));
        }
    }
    CHECK(court.record(kTotp).failures == 1);
    Request other = court.request(kTotp);
    Court::set_code(other, "000001");
    CHECK(is_refused(court.knock(kTotp, other), Reject::wrong_code));
    CHECK(court.record(kTotp).failures == 2);
}

TEST_CASE("a knock takes one entry, and its retries take none") {
    Court court;
    const auto used = [&] { return kReplayEntries - court.state.replay().free(); };
    const Request r = court.request(kTotp);
    CHECK(is_accepted(court.knock(kTotp, r)));
    for (int i = 0; i < 10; ++i)
        REQUIRE(court.knock(kTotp, r).accepted()->retry);
    CHECK(used() == 1);
    Request wrong = court.request(kHmac);
    wrong.proof[0] = 1;
    for (int i = 0; i < 3; ++i)
        CHECK(is_refused(court.knock(kHmac, wrong), Reject::wrong_code)); // each may count, so each is remembered
    CHECK(used() == 4);
}

TEST_CASE("when nothing more can be remembered nothing more is accepted, and others' knocks never come to that") {
    Court court;
    const Slot slot = slot_of(court.now.wall);
    const auto fill = [&](const wire::CredentialId& who, std::uint64_t n) {
        KnockId k{who, {}, {}};
        store_be<std::uint64_t>(field<0, 8>(std::span(k.request)), n);
        return court.state.replay().remember(k, slot, {}, slot) != nullptr;
    };
    // One credential that sends as fast as it can: far more than the filter lets through, and it alone is refused.
    std::uint64_t n = 0;
    while (fill(court.policy.credentials[kPlain].id, n))
        ++n;
    CHECK(n > 812);
    CHECK(n < kReplayEntries / kShareOfFree);
    CHECK(is_refused(court.knock(kPlain), Reject::memory_full));
    CHECK(court.firewall.untouched());
    CHECK(is_accepted(court.knock(kDelegate)));
    // Everything, by as many credentials as it takes.
    for (std::uint16_t who = 0; court.state.replay().free() > 0; ++who)
        for (const wire::CredentialId id{0xee, static_cast<std::uint8_t>(who >> 8), static_cast<std::uint8_t>(who)};
             fill(id, n);)
            ++n;
    CHECK(is_refused(court.knock(kTotp), Reject::memory_full));
}

// Step 5

TEST_CASE("a disabled credential is refused") {
    Court court;
    court.policy.credentials[kPlain].enabled = false;
    court.restart();
    CHECK(is_refused(court.knock(kPlain), Reject::disabled));
    CHECK(is_accepted(court.knock(kDelegate)));
}

TEST_CASE("a credential is good in its dates only") {
    Court court;
    court.policy.credentials[kPlain].valid_from = court.now.wall;
    court.policy.credentials[kPlain].valid_until = court.now.wall + 60s;
    court.restart();
    CHECK(is_accepted(court.knock(kPlain)));
    court.pass(60s);
    CHECK(is_refused(court.knock(kPlain), Reject::expired));
    court.policy.credentials[kPlain].valid_from = court.now.wall + 1s;
    court.policy.credentials[kPlain].valid_until = WallTime::max();
    court.restart();
    CHECK(is_refused(court.knock(kPlain), Reject::not_yet_valid));
}

TEST_CASE("a banned address neither knocks nor is opened for") {
    Court court;
    court.bans.add(Prefix::parse("192.0.2.0/28").value(), {court.now.boot + 10s, "test"});
    CHECK(is_refused(court.knock(kPlain, "192.0.2.7"), Reject::banned));
    Request r = court.request(kDelegate);
    r.address_mode = AddressMode::delegated;
    r.address = address("192.0.2.7");
    CHECK(is_refused(court.knock(kDelegate, r, "192.0.2.99"), Reject::banned));
    court.pass(10s);
    CHECK(is_accepted(court.knock(kPlain, "192.0.2.7")));
}

TEST_CASE("dates, hours, networks and bans are looked at before the code: a stolen key locks nobody out") {
    struct Row {
        const char* what;
        std::function<void(Court&)> bar;
        Reject reason;
    };
    const Row rows[] = {
        {"disabled", [](Court& c) { c.policy.credentials[kTotp].enabled = false; }, Reject::disabled},
        {"too early", [](Court& c) { c.policy.credentials[kTotp].valid_from = c.now.wall + 1s; },
         Reject::not_yet_valid},
        {"too late", [](Court& c) { c.policy.credentials[kTotp].valid_until = c.now.wall; }, Reject::expired},
        {"another hour",
         [](Court& c) {
             c.policy.credentials[kTotp].hours = {1, {{0, 1}}};
         },
         Reject::hours},
        {"a foreign network",
         [](Court& c) {
             c.policy.credentials[kTotp].networks = {1, {Prefix::parse("198.51.100.0/24").value()}};
         },
         Reject::network},
        {"a banned address", [](Court& c) { c.bans.add(Prefix::parse("192.0.2.7").value(), {}); }, Reject::banned},
    };
    for (const Row& row : rows) {
        CAPTURE(row.what);
        Court court;
        row.bar(court);
        court.restart();
        for (int code = 900'000; code < 900'060; ++code) {
            Request r = court.request(kTotp);
            r.id[2] = static_cast<std::uint8_t>(code);
            Court::set_code(r, std::to_string(code));
            CHECK(is_refused(court.knock(kTotp, r), row.reason));
        }
        CHECK(court.record(kTotp).failures == 0);
        CHECK(court.record(kTotp).locked_until == 0);
        CHECK(is_refused(court.knock(kTotp), row.reason)); // nor is a right code used up
        CHECK(court.record(kTotp).totp_step == 0);
    }
}

// Step 6

TEST_CASE(
    "a right HMAC forgives the wrong ones before it, also where the policy refuses; a used code forgives nothing") {
    Court court;
    const auto wrong = [&](std::uint8_t with) {
        Request r = court.request(kHmac);
        r.proof = {with};
        return court.knock(kHmac, r);
    };
    CHECK(is_refused(wrong(1), Reject::wrong_code));
    CHECK(is_refused(wrong(2), Reject::wrong_code));
    CHECK(court.record(kHmac).failures == 2);
    CHECK(is_accepted(court.knock(kHmac)));
    CHECK(court.record(kHmac).failures == 0);
    CHECK(is_refused(wrong(3), Reject::wrong_code));
    Request elsewhere = court.request(kHmac);
    elsewhere.service = service_id("nothing");
    CHECK(is_refused(court.knock(kHmac, elsewhere), Reject::service));
    CHECK(court.record(kHmac).failures == 0);

    CHECK(is_accepted(court.knock(kTotp)));
    Request guess = court.request(kTotp);
    Court::set_code(guess, "000000");
    CHECK(is_refused(court.knock(kTotp, guess), Reject::wrong_code));
    CHECK(is_refused(court.knock(kTotp), Reject::code_used));
    CHECK(court.record(kTotp).failures == 1);
}

TEST_CASE("the factor must be the credential's own kind") {
    for (const auto who : {kTotp, kHmac, kPlain})
        for (const auto kind :
             {FactorKind::none, FactorKind::totp, FactorKind::hmac, FactorKind::ed25519, FactorKind::sk_ed25519}) {
            Court court;
            Request r = court.request(who);
            if (r.factor == kind)
                continue;
            r.factor = kind;
            CHECK(is_refused(court.knock(who, r), Reject::factor_kind));
            CHECK(court.record(who).failures == 0);
        }
}

TEST_CASE("a proof that has not the factor's form is no guess") {
    Court court;
    Request r = court.request(kTotp);
    for (const std::size_t place : {5u, 6u, 63u}) {
        Request bad = r;
        bad.id[1] = static_cast<std::uint8_t>(place);
        bad.proof[place] ^= 0x80;
        CHECK(is_refused(court.knock(kTotp, bad), Reject::proof_form));
    }
    Request seven = court.request(kTotp);
    seven.proof[6] = '1';
    CHECK(is_refused(court.knock(kTotp, seven), Reject::proof_form));
    Request plain = court.request(kPlain);
    plain.proof[0] = 1;
    CHECK(is_refused(court.knock(kPlain, plain), Reject::proof_form));
    CHECK(court.record(kTotp).failures == 0);
}

TEST_CASE("the codes of the neighbouring steps are good, others are wrong") {
    for (const int away : {-2, -1, 0, 1, 2}) {
        Court court;
        Request r = court.request(kTotp);
        Court::set_code(
            r, totp_code(kTotpSecret, static_cast<TotpStep>(static_cast<int>(totp_step(court.now.wall)) + away), 6));
        const Outcome outcome = court.knock(kTotp, r);
        if (away >= -1 && away <= 1)
            CHECK(is_accepted(outcome));
        else
            CHECK(is_refused(outcome, Reject::wrong_code));
    }
}

TEST_CASE("a code counts once, and no older one counts after it") {
    Court court;
    CHECK(is_accepted(court.knock(kTotp)));
    CHECK(is_refused(court.knock(kTotp), Reject::code_used));
    Request older = court.request(kTotp);
    Court::set_code(older, totp_code(kTotpSecret, totp_step(court.now.wall) - 1, 6));
    CHECK(is_refused(court.knock(kTotp, older), Reject::code_used));
    court.restart();
    CHECK(is_refused(court.knock(kTotp), Reject::code_used));
    court.pass(30s);
    CHECK(is_accepted(court.knock(kTotp)));
}

TEST_CASE("two users with the same code do not disturb each other") {
    Court court; // kTotp and kTotp8 share the secret, and 6 digits are the end of 8
    CHECK(is_accepted(court.knock(kTotp)));
    CHECK(is_accepted(court.knock(kTotp8)));
}

TEST_CASE("a machine's credential may knock several times in a slot") {
    Court court;
    for (int i = 0; i < 20; ++i)
        CHECK(is_accepted(court.knock(kHmac)));
}

TEST_CASE("a wrong HMAC is a wrong code") {
    Court court;
    Request r = court.request(kHmac);
    r.proof[3] = 9;
    CHECK(is_refused(court.knock(kHmac, r), Reject::wrong_code));
    CHECK(court.record(kHmac).failures == 1);
}

TEST_CASE("wrong codes lock the credential with a growing delay, then for good, and no other") {
    Court court;
    int code = 900000;
    const auto guess = [&] {
        Request r = court.request(kTotp);
        Court::set_code(r, std::to_string(++code));
        return court.knock(kTotp, r);
    };
    for (std::uint32_t i = 0; i < Lockout{}.free; ++i) {
        const Outcome free = guess();
        CHECK(is_refused(free, Reject::wrong_code));
        CHECK(free.refused()->locked_for == 0s);
    }
    const Outcome sixth = guess();
    CHECK(is_refused(sixth, Reject::wrong_code));
    CHECK(sixth.refused()->locked_for == 30s);
    CHECK(is_refused(court.knock(kTotp), Reject::locked)); // even with the right code
    CHECK(is_accepted(court.knock(kPlain)));
    court.restart();
    const Outcome locked = court.knock(kTotp);
    CHECK(is_refused(locked, Reject::locked));
    CHECK(locked.refused()->locked_for == 30s);
    court.pass(30s);
    CHECK(guess().refused()->locked_for == 60s);
    court.pass(60s);
    CHECK(is_accepted(court.knock(kTotp))); // the right code forgives
    CHECK(court.record(kTotp).failures == 0);
}

TEST_CASE("at most fifty codes are looked at, restarts or not") {
    Court court;
    std::uint32_t evaluated = 0;
    for (int i = 0; i < 2000; ++i) {
        Request r = court.request(kTotp);
        Court::set_code(r, "000000");
        r.id[2] = static_cast<std::uint8_t>(i >> 8);
        if (court.knock(kTotp, r).refused()->reason == Reject::wrong_code)
            ++evaluated;
        court.pass(3601s);
        if (i % 3 == 0)
            court.restart();
    }
    CHECK(evaluated == Lockout{}.most);
    const Outcome outcome = court.knock(kTotp);
    CHECK(is_refused(outcome, Reject::locked));
    CHECK(outcome.refused()->locked_for_good);
    CHECK(is_accepted(court.knock(kTotp8)));
}

TEST_CASE("a code is used up even if the policy refuses") {
    Court court;
    Request r = court.request(kTotp);
    r.service = service_id("web");
    CHECK(is_refused(court.knock(kTotp, r), Reject::service));
    CHECK(is_refused(court.knock(kTotp), Reject::code_used));
}

// Step 7

TEST_CASE("the client's own address must be the packet's source") {
    Court court;
    Request r = court.request(kPlain);
    r.address_mode = AddressMode::bound;
    r.address = address("192.0.2.7");
    CHECK(is_accepted(court.knock(kPlain, r)));
    r = court.request(kPlain);
    r.address_mode = AddressMode::bound;
    r.address = address("192.0.2.8");
    CHECK(is_refused(court.knock(kPlain, r), Reject::source));
    r = court.request(kPlain);
    r.address_mode = AddressMode::bound;
    r.address = address("2001:db8::7");
    CHECK(is_refused(court.knock(kPlain, r), Reject::source)); // the wrong family
    CHECK(court.firewall.opened.size() == 1);
}

TEST_CASE("without the right to NAT the client must name its address") {
    Court court;
    court.policy.credentials[kPlain].binding = Binding::match;
    court.restart();
    CHECK(is_refused(court.knock(kPlain), Reject::binding));
    Request r = court.request(kPlain);
    r.address_mode = AddressMode::bound;
    r.address = address("192.0.2.7");
    CHECK(is_accepted(court.knock(kPlain, r)));
}

TEST_CASE("opening for another address is a right of its own") {
    Court court;
    const auto for_another = [&](std::uint32_t who) {
        Request r = court.request(who);
        r.address_mode = AddressMode::delegated;
        r.address = address("2001:db8::99");
        return r;
    };
    CHECK(is_refused(court.knock(kPlain, for_another(kPlain)), Reject::delegation));
    CHECK(is_accepted(court.knock(kDelegate, for_another(kDelegate))));
    CHECK(court.firewall.opened.at(0).address == address("2001:db8::99"));
}

TEST_CASE("no grant is opened for an address that cannot connect, or for our own") {
    Court court;
    for (const char* source : {"169.254.1.1", "fe80::1", "192.0.2.1"})
        CHECK(is_refused(court.knock(kPlain, source), Reject::own_address));
}

TEST_CASE("a service is opened for its users only, by id or by port") {
    Court court;
    Request r = court.request(kHmac);
    r.service = service_id("web");
    CHECK(is_accepted(court.knock(kHmac, r)));
    CHECK(court.firewall.opened.back().service == service_id("web"));
    r = court.request(kPlain);
    r.service = service_id("web");
    CHECK(is_refused(court.knock(kPlain, r), Reject::service));
    r = court.request(kPlain);
    r.service = service_id("nothing");
    CHECK(is_refused(court.knock(kPlain, r), Reject::service));
    r = court.request(kPlain);
    r.service = 0;
    r.endpoint = {IpProtocol::tcp, 22};
    CHECK(is_accepted(court.knock(kPlain, r)));
    CHECK(court.firewall.opened.back().endpoint == Endpoint{IpProtocol::tcp, 22});
    for (const Endpoint wrong :
         {Endpoint{IpProtocol::tcp, 23}, Endpoint{IpProtocol::udp, 22}, Endpoint{IpProtocol::tcp, 443}}) {
        r = court.request(kPlain);
        r.service = 0;
        r.endpoint = wrong;
        CHECK(is_refused(court.knock(kPlain, r), Reject::service));
    }
}

TEST_CASE("single use goes on to the firewall, and is refused for a range of ports") {
    Court court;
    Request r = court.request(kPlain);
    r.single_use = true;
    CHECK(is_accepted(court.knock(kPlain, r)));
    CHECK(court.firewall.opened.at(0).single);
    court.policy.services[0].ports[0].last = 25;
    court.restart();
    r = court.request(kPlain);
    CHECK(is_accepted(court.knock(kPlain, r)));
    CHECK_FALSE(court.firewall.opened.at(1).single);
    r = court.request(kPlain);
    r.single_use = true;
    CHECK(is_refused(court.knock(kPlain, r), Reject::unsupported));
    // The connection that ends the grant would end itself.
    court.policy.services[0].ports[0].last = court.policy.services[0].ports[0].first;
    court.policy.services[0].after = After::cut;
    court.restart();
    r = court.request(kPlain);
    r.single_use = true;
    CHECK(is_refused(court.knock(kPlain, r), Reject::unsupported));
}

TEST_CASE("a user knocks from his networks only, and opens for no others") {
    Court court;
    court.policy.credentials[kPlain].networks = {1, {Prefix::parse("198.51.100.0/24").value()}};
    court.policy.credentials[kDelegate].networks = {1, {Prefix::parse("192.0.2.0/24").value()}};
    court.policy.credentials[kDelegate].explicit_networks = {1, {Prefix::parse("2001:db8:1::/48").value()}};
    court.restart();
    CHECK(is_refused(court.knock(kPlain), Reject::network));
    CHECK(is_accepted(court.knock(kDelegate)));
    Request r = court.request(kDelegate);
    r.address_mode = AddressMode::delegated;
    r.address = address("2001:db8:1::9");
    CHECK(is_accepted(court.knock(kDelegate, r)));
    r = court.request(kDelegate);
    r.address_mode = AddressMode::delegated;
    r.address = address("2001:db8:2::9");
    CHECK(is_refused(court.knock(kDelegate, r), Reject::delegation));
}

TEST_CASE("a user knocks in his hours only") {
    Court court; // Tuesday 2023-11-14 22:13:25 UTC
    const auto only = [&](std::uint16_t from, std::uint16_t until) {
        court.policy.credentials[kPlain].hours = {1, {{from, until}}};
        court.restart();
    };
    constexpr std::uint16_t kTuesday = 2 * 24 * 60;
    only(kTuesday + 22 * 60 + 13, kTuesday + 22 * 60 + 14);
    CHECK(is_accepted(court.knock(kPlain)));
    only(kTuesday + 22 * 60 + 14, kTuesday + 24 * 60);
    CHECK(is_refused(court.knock(kPlain), Reject::hours));
    only(0, kTuesday + 22 * 60 + 13);
    CHECK(is_refused(court.knock(kPlain), Reject::hours));
}

TEST_CASE("in panic nobody is let in, and no code is used up") {
    Court court;
    court.judge->set_panic(true);
    CHECK(is_refused(court.knock(kTotp), Reject::panic));
    CHECK(is_refused(court.knock(kHmac), Reject::panic));
    CHECK(court.firewall.untouched());
    court.judge->set_panic(false);
    CHECK(is_accepted(court.knock(kTotp)));
    CHECK(is_accepted(court.knock(kHmac)));
}

TEST_CASE("the throttle is the user's own") {
    Court court;
    court.policy.credentials[kTotp].lockout = {1, 10s, 20s, 3};
    court.restart();
    const auto wrong = [&](const char* code) {
        Request r = court.request(kTotp);
        r.proof = totp_proof(code, 6).value();
        return court.knock(kTotp, r);
    };
    CHECK(wrong("000001").refused()->locked_for == 0s);
    CHECK(wrong("000002").refused()->locked_for == 10s);
    CHECK(is_refused(wrong("000003"), Reject::locked));
    court.pass(10s);
    CHECK(wrong("000004").refused()->locked_for_good);
}

// Step 9

TEST_CASE("close, close-all and probe do that and no more") {
    Court court;
    Request r = court.request(kPlain);
    r.action = Action::close;
    CHECK(is_accepted(court.knock(kPlain, r)));
    CHECK(court.firewall.closed.size() == 1);
    r = court.request(kPlain);
    r.action = Action::close_all;
    CHECK(is_accepted(court.knock(kPlain, r)));
    CHECK(court.firewall.closed_all.size() == 1);
    CHECK(court.firewall.closed_all[0] == kPlain);
    r = court.request(kPlain);
    r.action = Action::probe;
    CHECK(is_accepted(court.knock(kPlain, r)));
    CHECK(court.firewall.closed.size() + court.firewall.closed_all.size() == 2);
    CHECK(court.firewall.opened.empty());
}

TEST_CASE("what the privileged process refuses is refused, with its reason, and stays used") {
    for (const auto& [answer, reason] :
         std::vector<std::pair<Answer, Reject>>{{Answer::banned, Reject::banned},
                                                {Answer::own_address, Reject::own_address},
                                                {Answer::limit, Reject::limit},
                                                {Answer::refused, Reject::refused},
                                                {Answer::failed, Reject::firewall}}) {
        Court court;
        court.firewall.answer = answer;
        const Record c = court.sealed(kTotp, court.request(kTotp));
        CHECK(is_refused(court.judged(c), reason));
        CHECK(is_refused(court.judged(c), Reject::replay));
    }
}

TEST_CASE("what waits is accepted and not done: it is remembered, may come again, and is done once it is done") {
    Court court;
    court.firewall.answer = Answer::waiting;
    const Request r = court.request(kTotp);
    const Outcome outcome = court.knock(kTotp, r);
    REQUIRE(is_accepted(outcome));
    REQUIRE(outcome.accepted()->waiting.has_value());
    const Asked& asked = court.state.asked(*outcome.accepted()->waiting);
    CHECK(asked.live == 1);
    CHECK(asked.id == r.id);
    CHECK(asked.credential == court.policy.credentials[kTotp].id);
    CHECK(asked.request.address == address("192.0.2.7"));
    CHECK(asked.arrived == court.now.boot.time_since_epoch().count());
    CHECK(is_accepted(court.knock(kTotp, r))); // no retry that does nothing: it is not open yet
    CHECK(court.firewall.opened.size() == 2);

    // A process that ends here leaves it to the next one.
    court.restart();
    CHECK(court.judge->ask_again(*outcome.accepted()->waiting, court.now, court.firewall) == Answer::waiting);
    CHECK(court.firewall.opened.size() == 3);
    court.firewall.answer = Answer::done;
    CHECK(court.judge->ask_again(*outcome.accepted()->waiting, court.now, court.firewall) == Answer::done);
    CHECK(court.state.asked(*outcome.accepted()->waiting).live == 0);
    CHECK(court.knock(kTotp, r).accepted()->retry);
    CHECK(court.firewall.opened.size() == 4);
}

TEST_CASE("what waited and could not be done may come again; what is done at once waits for nothing") {
    Court court;
    court.firewall.answer = Answer::waiting;
    const Request r = court.request(kPlain);
    const Outcome outcome = court.knock(kPlain, r);
    court.state.end_asked(outcome.accepted()->waiting.value(), false);
    court.firewall.answer = Answer::done;
    const Outcome again = court.knock(kPlain, r);
    REQUIRE(is_accepted(again));
    CHECK_FALSE(again.accepted()->waiting.has_value());
    CHECK(court.firewall.opened.size() == 2);
}

TEST_CASE("the highest slot is raised by what was accepted only") {
    Court court;
    Request r = court.request(kTotp);
    Court::set_code(r, "000000");
    court.knock(kTotp, r);
    CHECK(court.state.header().high_slot == 0);
    court.knock(kTotp);
    CHECK(court.state.header().high_slot == slot_of(court.now.wall));
}

TEST_CASE("replays are refused after the clock was set back") {
    Court court;
    std::vector<Record> captured;
    for (int i = 0; i < 20; ++i) {
        captured.push_back(court.sealed(kPlain, court.request(kPlain)));
        CHECK(is_accepted(court.judged(captured.back())));
        court.pass(1s);
    }
    for (const auto back : {20s, 60s, 90s, 120s, 3600s}) {
        court.set_wall(court.now.wall - back);
        for (Record c : captured) {
            c.arrived = court.now.boot;
            CHECK(court.judged(c).refused() != nullptr);
        }
        court.set_wall(court.now.wall + back);
    }
    CHECK(court.firewall.opened.size() == 20);
}
