// SPDX-License-Identifier: MIT
#include "fixtures.h"

#include "daemon/authz/lockout.h"

#include <functional>
#include <random>

using namespace xk;
using namespace xk::test;

namespace {

wire::Packet with_changed_bit(wire::Packet packet, std::size_t bit) {
    packet[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
    return packet;
}

} // namespace

TEST_CASE("a genuine knock of every factor opens for the packet's own source") {
    for (const auto who : {kTotp, kHmac, kPlain, kDelegate, kTotp8}) {
        Setup setup;
        const Outcome outcome = setup.knock(who);
        REQUIRE(is_accepted(outcome));
        CHECK(outcome.accepted()->action == Action::open);
        CHECK(outcome.accepted()->address == address("192.0.2.7"));
        CHECK(outcome.accepted()->what == "ssh");
        CHECK(outcome.credential == who);
        REQUIRE(setup.firewall.opened.size() == 1);
        CHECK(setup.firewall.opened[0].credential == who);
        CHECK(setup.firewall.opened[0].address == address("192.0.2.7"));
        CHECK(setup.firewall.opened[0].service == service_id("ssh"));
        CHECK(setup.state.header().accepted[1] == 1);
        CHECK(setup.record(who).accepted == 1);
    }
}

TEST_CASE("IPv6 is no different") {
    Setup setup;
    CHECK(is_accepted(setup.knock(kPlain, "2001:db8::7")));
    CHECK(setup.firewall.opened.at(0).address == address("2001:db8::7"));
}

// Step 1

TEST_CASE("a knock that waited too long for the daemon is forgotten") {
    Setup setup;
    const Record c = setup.sealed(kPlain, setup.request(kPlain));
    setup.pass(61s);
    CHECK(is_refused(setup.judged(c), Reject::late));
    CHECK(setup.firewall.untouched());
}

TEST_CASE("a knock that waited for the daemon to restart is judged by the time of its arrival") {
    Setup setup;
    const Record c = setup.sealed(kTotp, setup.request(kTotp));
    setup.pass(59s); // the code's step is over, and so is the skew
    setup.restart();
    CHECK(is_accepted(setup.judged(c)));
}

TEST_CASE("a tag that is nobody's, or of a slot that does not count, is refused") {
    Setup setup;
    Record c = setup.sealed(kPlain, setup.request(kPlain));
    c.bytes.assign(with_changed_bit(packet_of(c), 0));
    CHECK(is_refused(setup.judged(c), Reject::tag));
    for (const auto away : {-90s, 90s}) {
        Request r = setup.request(kPlain);
        r.clock += away;
        CHECK(is_refused(setup.knock(kPlain, r), Reject::tag));
    }
    Record zeros;
    zeros.bytes.assign(wire::Packet{});
    zeros.arrived = setup.now.boot;
    CHECK(is_refused(setup.judged(zeros), Reject::tag));
    CHECK(setup.firewall.untouched());
}

TEST_CASE("every changed bit behind the tag is refused by MAC, and the genuine packet still counts") {
    Setup setup;
    const Record genuine = setup.sealed(kTotp, setup.request(kTotp));
    for (std::size_t bit = 64; bit < 8 * wire::kPacketSize; ++bit) {
        Record c = genuine;
        c.bytes.assign(with_changed_bit(packet_of(c), bit));
        CHECK(is_refused(setup.judged(c), Reject::mac));
    }
    CHECK(setup.record(kTotp).failures == 0);
    CHECK(is_accepted(setup.judged(genuine)));
}

// Step 2

TEST_CASE("a right MAC does not make up for a wrong box") {
    Setup setup;
    Record c = setup.sealed(kPlain, setup.request(kPlain));
    wire::Packet packet = with_changed_bit(packet_of(c), 800);
    const auto gate = gate_keys(setup.keys_of(kPlain).gate, slot_of(setup.now.wall));
    const auto mac = compute_mac(gate.mac_key, packet);
    std::copy(mac.begin(), mac.end(), packet.begin() + wire::kMacOffset);
    c.bytes.assign(packet);
    CHECK(is_refused(setup.judged(c), Reject::box));
}

// Step 3

TEST_CASE("each fault that the decoder finds has its own reason") {
    Setup setup;
    struct Row {
        std::size_t offset;
        std::uint8_t value;
        Reject reason;
    };
    for (const Row& row : {Row{0, 2, Reject::version}, Row{1, 9, Reject::action}, Row{2, 9, Reject::factor},
                           Row{3, 9, Reject::address_mode}, Row{4, 1, Reject::protocol}, Row{5, 2, Reject::flags},
                           Row{6, 1, Reject::port}, Row{16, 0xff, Reject::clock}, Row{24, 1, Reject::address},
                           Row{56, 0xff, Reject::target}, Row{71, 1, Reject::target}}) {
        const Request r = setup.request(kPlain);
        RequestBytes bytes = encode_request(r);
        bytes[row.offset] = row.value;
        CHECK(is_refused(setup.judged(setup.sealed_bytes(kPlain, r, bytes)), row.reason));
        CHECK(setup.count(row.reason) >= 1);
    }
    CHECK(setup.firewall.untouched());
}

// Step 4

TEST_CASE("client clocks up to the horizon are refused") {
    Setup setup;
    setup.state.header().horizon = setup.now.wall.time_since_epoch().count();
    CHECK(is_refused(setup.knock(kPlain), Reject::horizon));
    setup.pass(1us);
    CHECK(is_accepted(setup.knock(kPlain)));
}

TEST_CASE("the horizon moves with a wall clock that was wrong when judgement began") {
    Setup setup;
    setup.state.header().horizon_boot = setup.now.boot.time_since_epoch().count();
    setup.set_wall(setup.now.wall + 1h); // set right: by the horizon in wall time alone, old packets are new
    setup.state.header().horizon = (setup.now.wall - 1h).time_since_epoch().count();
    CHECK(is_refused(setup.knock(kPlain), Reject::horizon));
    setup.pass(1us);
    CHECK(is_accepted(setup.knock(kPlain)));
}

TEST_CASE("a client's clock may be off by the skew, to the microsecond") {
    for (const auto sign : {-1, 1}) {
        Setup setup;
        Request r = setup.request(kPlain);
        r.clock = setup.now.wall + sign * std::chrono::microseconds(30s);
        CHECK(is_accepted(setup.knock(kPlain, r)));
        r = setup.request(kPlain);
        r.clock = setup.now.wall + sign * (std::chrono::microseconds(30s) + 1us);
        CHECK(is_refused(setup.knock(kPlain, r), sign < 0 ? Reject::stale : Reject::future));
    }
}

TEST_CASE("a packet counts once, from whatever source it comes again") {
    Setup setup;
    const Record c = setup.sealed(kPlain, setup.request(kPlain));
    CHECK(is_accepted(setup.judged(c)));
    for (int i = 0; i < 3; ++i)
        CHECK(is_refused(setup.judged(c), Reject::replay));
    Record attacker = c;
    attacker.source = address("198.51.100.66");
    CHECK(is_refused(setup.judged(attacker), Reject::replay));
    setup.restart();
    CHECK(is_refused(setup.judged(c), Reject::replay));
    CHECK(setup.firewall.opened.size() == 1);
}

TEST_CASE("a retry of a request is accepted and does nothing") {
    Setup setup;
    const Request r = setup.request(kTotp);
    CHECK(is_accepted(setup.knock(kTotp, r)));
    const Outcome again = setup.knock(kTotp, r); // sealed anew: another nonce
    REQUIRE(again.accepted() != nullptr);
    CHECK(again.accepted()->retry);
    CHECK(setup.firewall.opened.size() == 1);
    CHECK(setup.state.header().retries == 1);
}

TEST_CASE("a retry from another address is refused") {
    Setup setup;
    const Request r = setup.request(kTotp);
    CHECK(is_accepted(setup.knock(kTotp, r)));
    CHECK(is_refused(setup.knock(kTotp, r, "192.0.2.8"), Reject::request_reused));
}

TEST_CASE("a request with one code serves one address of each family") {
    Setup setup;
    const Request r = setup.request(kTotp);
    CHECK(is_accepted(setup.knock(kTotp, r, "2001:db8::7")));
    const Outcome other = setup.knock(kTotp, r, "192.0.2.7");
    CHECK(is_accepted(other));
    CHECK_FALSE(other.accepted()->retry);
    REQUIRE(setup.firewall.opened.size() == 2);
    CHECK(setup.firewall.opened[1].address == address("192.0.2.7"));
    CHECK(setup.knock(kTotp, r, "2001:db8::7").accepted()->retry);
    CHECK(setup.knock(kTotp, r, "192.0.2.7").accepted()->retry);
    CHECK(is_refused(setup.knock(kTotp, r, "2001:db8::8"), Reject::request_reused));
    CHECK(is_refused(setup.knock(kTotp, r, "192.0.2.8"), Reject::request_reused));
    CHECK(setup.firewall.opened.size() == 2);
}

TEST_CASE("another request with the code is refused in the other family too") {
    Setup setup;
    CHECK(is_accepted(setup.knock(kTotp, setup.request(kTotp), "2001:db8::7")));
    CHECK(is_refused(setup.knock(kTotp, setup.request(kTotp), "192.0.2.7"), Reject::code_used));
}

TEST_CASE("a copy of a retry opens nothing for an address of the other family") {
    Setup setup;
    const Request r = setup.request(kTotp);
    CHECK(is_accepted(setup.knock(kTotp, r)));
    Record retry = setup.sealed(kTotp, r);
    CHECK(setup.judged(retry).accepted()->retry);
    retry.source = address("2001:db8::66"); // somebody who saw it, from an address of theirs
    CHECK(is_refused(setup.judged(retry), Reject::replay));
    CHECK(setup.firewall.opened.size() == 1);
}

TEST_CASE("a code that was used for an address that is translated is good for the one that the server sees") {
    struct Case {
        const char *named, *seen, *other;
    };
    for (const Case& c :
         {Case{"203.0.113.2", "192.0.2.7", "192.0.2.8"}, Case{"2001:db8:9::2", "2001:db8::7", "2001:db8::8"}}) {
        CAPTURE(c.named);
        Setup setup;
        Request r = setup.request(kTotp);
        r.address_mode = AddressMode::bound;
        r.address = address(c.named);
        CHECK(is_refused(setup.knock(kTotp, r, c.seen), Reject::source));
        r.address_mode = AddressMode::source;
        r.address = {};
        CHECK(is_accepted(setup.knock(kTotp, r, c.seen)));
        CHECK(is_refused(setup.knock(kTotp, r, c.other), Reject::request_reused));
        CHECK(is_refused(setup.knock(kTotp, setup.request(kTotp), c.seen), Reject::code_used));
        CHECK(setup.firewall.opened.size() == 1);
    }
}

TEST_CASE("the same request id of two credentials is two requests") {
    Setup setup;
    Request r = setup.request(kPlain);
    CHECK(is_accepted(setup.knock(kPlain, r)));
    CHECK(is_accepted(setup.knock(kDelegate, r)));
    CHECK(setup.firewall.opened.size() == 2);
}

TEST_CASE("a worker that ended in the middle goes on where it was, and does it once") {
    // The state as kill -9 leaves it: the packet is being judged, or its request is being done.
    for (const bool request_too : {false, true}) {
        Setup setup;
        const Request r = setup.request(kTotp);
        const Record c = setup.sealed(kTotp, r);
        ReplayEntry* const entry = setup.state.replay().remember(
            {setup.policy.credentials[kTotp].id, r.id, packet_mac(packet_of(c))}, slot_of(r.clock), c.source, 0);
        if (request_too)
            entry->progress = Progress::asking;
        setup.restart();
        Record thief = c;
        thief.source = address("198.51.100.66");
        CHECK(is_refused(setup.judged(thief), Reject::replay));
        CHECK(is_accepted(setup.judged(c)));
        CHECK(is_refused(setup.judged(c), Reject::replay));
        CHECK(setup.firewall.opened.size() == 1);
    }
}

namespace {

struct Killed {};

// The worker ends while it asks for a grant, or before xknockd hears of it.
struct DyingFirewall : RecordingFirewall {
    bool before = false;
    Answer open_grant(const GrantRequest& r) override {
        if (before)
            throw Killed{};
        RecordingFirewall::open_grant(r);
        throw Killed{};
    }
};

} // namespace

TEST_CASE("kill -9 at every point of a judgement opens exactly once after the restart") {
    for (const bool before : {true, false}) {
        Setup setup;
        const Record c = setup.sealed(kTotp, setup.request(kTotp));
        DyingFirewall dying;
        dying.before = before;
        CHECK_THROWS_AS(setup.judge->judge_record(c, setup.now, dying), Killed);
        setup.restart();
        CHECK(is_accepted(setup.judged(c))); // opening twice is opening once: the grant is the same
        CHECK(is_refused(setup.judged(c), Reject::replay));
    }
}

TEST_CASE("a record that ends the worker again and again is thrown away") {
    Setup setup;
    const Record c = setup.sealed(kPlain, setup.request(kPlain));
    for (std::uint32_t i = 0; i < kMaxAttempts; ++i) {
        DyingFirewall dying;
        CHECK_THROWS_AS(setup.judge->judge_record(c, setup.now, dying), Killed);
        setup.restart();
    }
    CHECK(is_refused(setup.judged(c), Reject::crashed));
    CHECK(is_accepted(setup.knock(kPlain)));
}

TEST_CASE("copies of a wrong code do not count as more wrong codes") {
    Setup setup;
    Request r = setup.request(kTotp);
    Setup::set_code(r, "000000");
    const Record c = setup.sealed(kTotp, r);
    CHECK(is_refused(setup.judged(c), Reject::wrong_code));
    for (int i = 0; i < 100; ++i)
        CHECK(is_refused(setup.judged(c), Reject::replay));
    CHECK(setup.record(kTotp).failures == 1);
}

TEST_CASE("a wrong code that the client seals anew is still one wrong code") {
    Setup setup;
    for (const auto pause : {0s, 1s, 2s}) { // a person typed it once; the second server address has its own request
        setup.pass(pause);
        for (int address = 0; address < 2; ++address) {
            Request r = setup.request(kTotp);
            Setup::set_code(r, "000000");
            CHECK(is_refused(setup.knock(kTotp, r), Reject::wrong_code));
        }
    }
    CHECK(setup.record(kTotp).failures == 1);
    Request other = setup.request(kTotp);
    Setup::set_code(other, "000001");
    CHECK(is_refused(setup.knock(kTotp, other), Reject::wrong_code));
    CHECK(setup.record(kTotp).failures == 2);
}

TEST_CASE("a knock takes one entry, and its retries take none where they name their address") {
    Setup setup;
    const auto used = [&] { return kReplayEntries - setup.state.replay().free(); };
    Request r = setup.request(kTotp);
    r.address_mode = AddressMode::bound;
    r.address = address("192.0.2.7");
    CHECK(is_accepted(setup.knock(kTotp, r)));
    for (int i = 0; i < 10; ++i)
        REQUIRE(setup.knock(kTotp, r).accepted()->retry);
    CHECK(used() == 1);
    Request wrong = setup.request(kHmac);
    wrong.proof[0] = 1;
    for (int i = 0; i < 3; ++i)
        CHECK(is_refused(setup.knock(kHmac, wrong), Reject::wrong_code)); // each may count, so each is remembered
    CHECK(used() == 4);
}

TEST_CASE("when nothing more can be remembered nothing more is accepted, and others' knocks never come to that") {
    Setup setup;
    const Slot slot = slot_of(setup.now.wall);
    const auto fill = [&](const wire::CredentialId& who, std::uint64_t n) {
        KnockId k{who, {}, {}};
        store_be<std::uint64_t>(field<0, 8>(std::span(k.request)), n);
        return setup.state.replay().remember(k, slot, {}, slot) != nullptr;
    };
    // One credential that sends as fast as it can: far more than the filter lets through, and it alone is refused.
    std::uint64_t n = 0;
    while (fill(setup.policy.credentials[kPlain].id, n))
        ++n;
    CHECK(n > 812);
    CHECK(n < kReplayEntries / kShareOfFree);
    CHECK(is_refused(setup.knock(kPlain), Reject::memory_full));
    CHECK(setup.firewall.untouched());
    CHECK(is_accepted(setup.knock(kDelegate)));
    // Everything, by as many credentials as it takes.
    for (std::uint16_t who = 0; setup.state.replay().free() > 0; ++who)
        for (const wire::CredentialId id{0xee, static_cast<std::uint8_t>(who >> 8), static_cast<std::uint8_t>(who)};
             fill(id, n);)
            ++n;
    CHECK(is_refused(setup.knock(kTotp), Reject::memory_full));
}

// Step 5

TEST_CASE("a disabled credential is refused") {
    Setup setup;
    setup.policy.credentials[kPlain].enabled = false;
    setup.restart();
    CHECK(is_refused(setup.knock(kPlain), Reject::disabled));
    CHECK(is_accepted(setup.knock(kDelegate)));
}

TEST_CASE("a credential is good in its dates only") {
    Setup setup;
    setup.policy.credentials[kPlain].valid_from = setup.now.wall;
    setup.policy.credentials[kPlain].valid_until = setup.now.wall + 60s;
    setup.restart();
    CHECK(is_accepted(setup.knock(kPlain)));
    setup.pass(60s);
    CHECK(is_refused(setup.knock(kPlain), Reject::expired));
    setup.policy.credentials[kPlain].valid_from = setup.now.wall + 1s;
    setup.policy.credentials[kPlain].valid_until = WallTime::max();
    setup.restart();
    CHECK(is_refused(setup.knock(kPlain), Reject::not_yet_valid));
}

TEST_CASE("a banned address neither knocks nor is opened for") {
    Setup setup;
    setup.bans.add(Prefix::parse("192.0.2.0/28").value(), {setup.now.boot + 10s, "test"});
    CHECK(is_refused(setup.knock(kPlain, "192.0.2.7"), Reject::banned));
    Request r = setup.request(kDelegate);
    r.address_mode = AddressMode::delegated;
    r.address = address("192.0.2.7");
    CHECK(is_refused(setup.knock(kDelegate, r, "192.0.2.99"), Reject::banned));
    setup.pass(10s);
    CHECK(is_accepted(setup.knock(kPlain, "192.0.2.7")));
}

TEST_CASE("dates, hours, networks and bans are looked at before the code: a stolen key locks nobody out") {
    struct Row {
        const char* what;
        std::function<void(Setup&)> bar;
        Reject reason;
    };
    const Row rows[] = {
        {"disabled", [](Setup& c) { c.policy.credentials[kTotp].enabled = false; }, Reject::disabled},
        {"too early", [](Setup& c) { c.policy.credentials[kTotp].valid_from = c.now.wall + 1s; },
         Reject::not_yet_valid},
        {"too late", [](Setup& c) { c.policy.credentials[kTotp].valid_until = c.now.wall; }, Reject::expired},
        {"another hour",
         [](Setup& c) {
             c.policy.credentials[kTotp].hours = {1, {{0, 1}}};
         },
         Reject::hours},
        {"a foreign network",
         [](Setup& c) {
             c.policy.credentials[kTotp].networks = {1, {Prefix::parse("198.51.100.0/24").value()}};
         },
         Reject::network},
        {"a banned address", [](Setup& c) { c.bans.add(Prefix::parse("192.0.2.7").value(), {}); }, Reject::banned},
    };
    for (const Row& row : rows) {
        CAPTURE(row.what);
        Setup setup;
        row.bar(setup);
        setup.restart();
        for (int code = 900'000; code < 900'060; ++code) {
            Request r = setup.request(kTotp);
            r.id[2] = static_cast<std::uint8_t>(code);
            Setup::set_code(r, std::to_string(code));
            CHECK(is_refused(setup.knock(kTotp, r), row.reason));
        }
        CHECK(setup.record(kTotp).failures == 0);
        CHECK(setup.record(kTotp).locked_until == 0);
        CHECK(is_refused(setup.knock(kTotp), row.reason)); // nor is a right code used up
        CHECK(setup.record(kTotp).code_step == 0);
    }
}

// Step 6

TEST_CASE(
    "a right HMAC forgives the wrong ones before it, also where the policy refuses; a used code forgives nothing") {
    Setup setup;
    const auto wrong = [&](std::uint8_t with) {
        Request r = setup.request(kHmac);
        r.proof = {with};
        return setup.knock(kHmac, r);
    };
    CHECK(is_refused(wrong(1), Reject::wrong_code));
    CHECK(is_refused(wrong(2), Reject::wrong_code));
    CHECK(setup.record(kHmac).failures == 2);
    CHECK(is_accepted(setup.knock(kHmac)));
    CHECK(setup.record(kHmac).failures == 0);
    CHECK(is_refused(wrong(3), Reject::wrong_code));
    Request elsewhere = setup.request(kHmac);
    elsewhere.service = service_id("nothing");
    CHECK(is_refused(setup.knock(kHmac, elsewhere), Reject::service));
    CHECK(setup.record(kHmac).failures == 0);

    CHECK(is_accepted(setup.knock(kTotp)));
    Request guess = setup.request(kTotp);
    Setup::set_code(guess, "000000");
    CHECK(is_refused(setup.knock(kTotp, guess), Reject::wrong_code));
    CHECK(is_refused(setup.knock(kTotp), Reject::code_used));
    CHECK(setup.record(kTotp).failures == 1);
}

TEST_CASE("the factor must be the credential's own kind") {
    Setup setup;
    for (const auto who : {kTotp, kHmac, kPlain, kHotp})
        for (const auto kind : {FactorKind::none, FactorKind::totp, FactorKind::hmac, FactorKind::ed25519,
                                FactorKind::sk_ed25519, FactorKind::hotp}) {
            Request r = setup.request(who);
            if (r.factor == kind)
                continue;
            r.factor = kind;
            CHECK(is_refused(setup.knock(who, r), Reject::factor_kind));
            CHECK(setup.record(who).failures == 0);
        }
}

TEST_CASE("a proof that has not the factor's form is no guess") {
    Setup setup;
    Request r = setup.request(kTotp);
    for (const std::size_t place : {5u, 6u, 63u}) {
        Request bad = r;
        bad.id[1] = static_cast<std::uint8_t>(place);
        bad.proof[place] ^= 0x80;
        CHECK(is_refused(setup.knock(kTotp, bad), Reject::proof_form));
    }
    Request seven = setup.request(kTotp);
    seven.proof[6] = '1';
    CHECK(is_refused(setup.knock(kTotp, seven), Reject::proof_form));
    Request plain = setup.request(kPlain);
    plain.proof[0] = 1;
    CHECK(is_refused(setup.knock(kPlain, plain), Reject::proof_form));
    CHECK(setup.record(kTotp).failures == 0);
}

TEST_CASE("the codes of the neighbouring steps are good, others are wrong") {
    for (const int away : {-2, -1, 0, 1, 2}) {
        Setup setup;
        Request r = setup.request(kTotp);
        Setup::set_code(
            r, totp_code(kTotpSecret, static_cast<TotpStep>(static_cast<int>(totp_step(setup.now.wall)) + away), 6));
        const Outcome outcome = setup.knock(kTotp, r);
        if (away >= -1 && away <= 1)
            CHECK(is_accepted(outcome));
        else
            CHECK(is_refused(outcome, Reject::wrong_code));
    }
}

TEST_CASE("a code counts once, and no older one counts after it") {
    Setup setup;
    CHECK(is_accepted(setup.knock(kTotp)));
    CHECK(is_refused(setup.knock(kTotp), Reject::code_used));
    Request older = setup.request(kTotp);
    Setup::set_code(older, totp_code(kTotpSecret, totp_step(setup.now.wall) - 1, 6));
    CHECK(is_refused(setup.knock(kTotp, older), Reject::code_used));
    setup.restart();
    CHECK(is_refused(setup.knock(kTotp), Reject::code_used));
    setup.pass(30s);
    CHECK(is_accepted(setup.knock(kTotp)));
}

TEST_CASE("two users with the same code do not disturb each other") {
    Setup setup; // kTotp and kTotp8 share the secret, and 6 digits are the end of 8
    CHECK(is_accepted(setup.knock(kTotp)));
    CHECK(is_accepted(setup.knock(kTotp8)));
}

TEST_CASE("a machine's credential may knock several times in a slot") {
    Setup setup;
    for (int i = 0; i < 20; ++i)
        CHECK(is_accepted(setup.knock(kHmac)));
}

TEST_CASE("a wrong HMAC is a wrong code") {
    Setup setup;
    Request r = setup.request(kHmac);
    r.proof[3] = 9;
    CHECK(is_refused(setup.knock(kHmac, r), Reject::wrong_code));
    CHECK(setup.record(kHmac).failures == 1);
}

TEST_CASE("wrong codes lock the credential with a growing delay, then for good, and no other") {
    Setup setup;
    int code = 900000;
    const auto guess = [&] {
        Request r = setup.request(kTotp);
        Setup::set_code(r, std::to_string(++code));
        return setup.knock(kTotp, r);
    };
    for (std::uint32_t i = 0; i < Lockout{}.free; ++i) {
        const Outcome free = guess();
        CHECK(is_refused(free, Reject::wrong_code));
        CHECK(free.refused()->locked_for == 0s);
    }
    const Outcome sixth = guess();
    CHECK(is_refused(sixth, Reject::wrong_code));
    CHECK(sixth.refused()->locked_for == 30s);
    CHECK(is_refused(setup.knock(kTotp), Reject::locked)); // even with the right code
    CHECK(is_accepted(setup.knock(kPlain)));
    setup.restart();
    const Outcome locked = setup.knock(kTotp);
    CHECK(is_refused(locked, Reject::locked));
    CHECK(locked.refused()->locked_for == 30s);
    setup.pass(30s);
    CHECK(guess().refused()->locked_for == 60s);
    setup.pass(60s);
    CHECK(is_accepted(setup.knock(kTotp))); // the right code forgives
    CHECK(setup.record(kTotp).failures == 0);
}

TEST_CASE("at most fifty codes are looked at, restarts or not") {
    Setup setup;
    std::uint32_t evaluated = 0;
    for (int i = 0; i < 2000; ++i) {
        Request r = setup.request(kTotp);
        Setup::set_code(r, "000000");
        r.id[2] = static_cast<std::uint8_t>(i >> 8);
        if (setup.knock(kTotp, r).refused()->reason == Reject::wrong_code)
            ++evaluated;
        setup.pass(3601s);
        if (i % 3 == 0)
            setup.restart();
    }
    CHECK(evaluated == Lockout{}.most);
    const Outcome outcome = setup.knock(kTotp);
    CHECK(is_refused(outcome, Reject::locked));
    CHECK(outcome.refused()->locked_for_good);
    setup.policy.credentials[kTotp].enabled = false;
    setup.restart();
    CHECK(is_refused(setup.knock(kTotp), Reject::disabled)); // which is what the admin did
    CHECK(is_accepted(setup.knock(kTotp8)));
}

TEST_CASE("a code is used up even if the policy refuses") {
    Setup setup;
    Request r = setup.request(kTotp);
    r.service = service_id("web");
    CHECK(is_refused(setup.knock(kTotp, r), Reject::service));
    CHECK(is_refused(setup.knock(kTotp), Reject::code_used));
}

// Step 7

TEST_CASE("the client's own address must be the packet's source") {
    Setup setup;
    Request r = setup.request(kPlain);
    r.address_mode = AddressMode::bound;
    r.address = address("192.0.2.7");
    CHECK(is_accepted(setup.knock(kPlain, r)));
    r = setup.request(kPlain);
    r.address_mode = AddressMode::bound;
    r.address = address("192.0.2.8");
    CHECK(is_refused(setup.knock(kPlain, r), Reject::source));
    r = setup.request(kPlain);
    r.address_mode = AddressMode::bound;
    r.address = address("2001:db8::7");
    CHECK(is_refused(setup.knock(kPlain, r), Reject::source)); // the wrong family
    CHECK(setup.firewall.opened.size() == 1);
}

TEST_CASE("without the right to NAT the client must name its address") {
    Setup setup;
    setup.policy.credentials[kPlain].binding = Binding::match;
    setup.restart();
    CHECK(is_refused(setup.knock(kPlain), Reject::binding));
    Request r = setup.request(kPlain);
    r.address_mode = AddressMode::bound;
    r.address = address("192.0.2.7");
    CHECK(is_accepted(setup.knock(kPlain, r)));
}

TEST_CASE("opening for another address is a right of its own") {
    Setup setup;
    const auto for_another = [&](std::uint32_t who) {
        Request r = setup.request(who);
        r.address_mode = AddressMode::delegated;
        r.address = address("2001:db8::99");
        return r;
    };
    CHECK(is_refused(setup.knock(kPlain, for_another(kPlain)), Reject::delegation));
    CHECK(is_accepted(setup.knock(kDelegate, for_another(kDelegate))));
    CHECK(setup.firewall.opened.at(0).address == address("2001:db8::99"));
}

TEST_CASE("no grant is opened for an address that cannot connect, or for our own") {
    Setup setup;
    for (const char* source : {"169.254.1.1", "fe80::1", "192.0.2.1"})
        CHECK(is_refused(setup.knock(kPlain, source), Reject::own_address));
}

TEST_CASE("a service is opened for its users only, by id or by port") {
    Setup setup;
    Request r = setup.request(kHmac);
    r.service = service_id("web");
    CHECK(is_accepted(setup.knock(kHmac, r)));
    CHECK(setup.firewall.opened.back().service == service_id("web"));
    r = setup.request(kPlain);
    r.service = service_id("web");
    CHECK(is_refused(setup.knock(kPlain, r), Reject::service));
    r = setup.request(kPlain);
    r.service = service_id("nothing");
    CHECK(is_refused(setup.knock(kPlain, r), Reject::service));
    r = setup.request(kPlain);
    r.service = 0;
    r.endpoint = {IpProtocol::tcp, 22};
    CHECK(is_accepted(setup.knock(kPlain, r)));
    CHECK(setup.firewall.opened.back().endpoint == Endpoint{IpProtocol::tcp, 22});
    for (const Endpoint wrong :
         {Endpoint{IpProtocol::tcp, 23}, Endpoint{IpProtocol::udp, 22}, Endpoint{IpProtocol::tcp, 443}}) {
        r = setup.request(kPlain);
        r.service = 0;
        r.endpoint = wrong;
        CHECK(is_refused(setup.knock(kPlain, r), Reject::service));
    }
}

TEST_CASE("single use goes on to the firewall, and is refused for a range of ports") {
    Setup setup;
    Request r = setup.request(kPlain);
    r.single_use = true;
    CHECK(is_accepted(setup.knock(kPlain, r)));
    CHECK(setup.firewall.opened.at(0).single_use);
    setup.policy.services[0].ports[0].last = 25;
    setup.restart();
    r = setup.request(kPlain);
    CHECK(is_accepted(setup.knock(kPlain, r)));
    CHECK_FALSE(setup.firewall.opened.at(1).single_use);
    r = setup.request(kPlain);
    r.single_use = true;
    CHECK(is_refused(setup.knock(kPlain, r), Reject::unsupported));
    // The connection that ends the grant would end itself.
    setup.policy.services[0].ports[0].last = setup.policy.services[0].ports[0].first;
    setup.policy.services[0].after = After::cut;
    setup.restart();
    r = setup.request(kPlain);
    r.single_use = true;
    CHECK(is_refused(setup.knock(kPlain, r), Reject::unsupported));
}

TEST_CASE("a user knocks from his networks only, and opens for no others") {
    Setup setup;
    setup.policy.credentials[kPlain].networks = {1, {Prefix::parse("198.51.100.0/24").value()}};
    setup.policy.credentials[kDelegate].networks = {1, {Prefix::parse("192.0.2.0/24").value()}};
    setup.policy.credentials[kDelegate].explicit_networks = {1, {Prefix::parse("2001:db8:1::/48").value()}};
    setup.restart();
    CHECK(is_refused(setup.knock(kPlain), Reject::network));
    CHECK(is_accepted(setup.knock(kDelegate)));
    Request r = setup.request(kDelegate);
    r.address_mode = AddressMode::delegated;
    r.address = address("2001:db8:1::9");
    CHECK(is_accepted(setup.knock(kDelegate, r)));
    r = setup.request(kDelegate);
    r.address_mode = AddressMode::delegated;
    r.address = address("2001:db8:2::9");
    CHECK(is_refused(setup.knock(kDelegate, r), Reject::delegation));
}

TEST_CASE("a user knocks in his hours only") {
    Setup setup; // Tuesday 2023-11-14 22:13:25 UTC
    const auto only = [&](std::uint16_t from, std::uint16_t until) {
        setup.policy.credentials[kPlain].hours = {1, {{from, until}}};
        setup.restart();
    };
    constexpr std::uint16_t kTuesday = 2 * 24 * 60;
    only(kTuesday + 22 * 60 + 13, kTuesday + 22 * 60 + 14);
    CHECK(is_accepted(setup.knock(kPlain)));
    only(kTuesday + 22 * 60 + 14, kTuesday + 24 * 60);
    CHECK(is_refused(setup.knock(kPlain), Reject::hours));
    only(0, kTuesday + 22 * 60 + 13);
    CHECK(is_refused(setup.knock(kPlain), Reject::hours));
}

TEST_CASE("in panic nobody is let in, and no code is used up") {
    Setup setup;
    setup.judge->set_panic(true);
    CHECK(is_refused(setup.knock(kTotp), Reject::panic));
    CHECK(is_refused(setup.knock(kHmac), Reject::panic));
    CHECK(setup.firewall.untouched());
    setup.judge->set_panic(false);
    CHECK(is_accepted(setup.knock(kTotp)));
    CHECK(is_accepted(setup.knock(kHmac)));
}

TEST_CASE("the throttle is the user's own") {
    Setup setup;
    setup.policy.credentials[kTotp].lockout = {1, 10s, 20s, 3};
    setup.restart();
    const auto wrong = [&](const char* code) {
        Request r = setup.request(kTotp);
        r.proof = totp_proof(code, 6).value();
        return setup.knock(kTotp, r);
    };
    CHECK(wrong("000001").refused()->locked_for == 0s);
    CHECK(wrong("000002").refused()->locked_for == 10s);
    CHECK(is_refused(wrong("000003"), Reject::locked));
    setup.pass(10s);
    CHECK(wrong("000004").refused()->locked_for_good);
}

// Step 9

TEST_CASE("close, close-all and probe do that and no more") {
    Setup setup;
    Request r = setup.request(kPlain);
    r.action = Action::close;
    CHECK(is_accepted(setup.knock(kPlain, r)));
    CHECK(setup.firewall.closed.size() == 1);
    r = setup.request(kPlain);
    r.action = Action::close_all;
    CHECK(is_accepted(setup.knock(kPlain, r)));
    CHECK(setup.firewall.closed_all.size() == 1);
    CHECK(setup.firewall.closed_all[0] == kPlain);
    r = setup.request(kPlain);
    r.action = Action::probe;
    CHECK(is_accepted(setup.knock(kPlain, r)));
    CHECK(setup.firewall.closed.size() + setup.firewall.closed_all.size() == 2);
    CHECK(setup.firewall.opened.empty());
}

TEST_CASE("what the privileged process refuses is refused, with its reason, and stays used") {
    for (const auto& [answer, reason] :
         std::vector<std::pair<Answer, Reject>>{{Answer::banned, Reject::banned},
                                                {Answer::own_address, Reject::own_address},
                                                {Answer::limit, Reject::limit},
                                                {Answer::refused, Reject::refused},
                                                {Answer::failed, Reject::firewall}}) {
        Setup setup;
        setup.firewall.answer = answer;
        const Record c = setup.sealed(kTotp, setup.request(kTotp));
        CHECK(is_refused(setup.judged(c), reason));
        CHECK(is_refused(setup.judged(c), Reject::replay));
    }
}

TEST_CASE("what waits is accepted and not done: it is remembered, may come again, and is done once it is done") {
    Setup setup;
    setup.firewall.answer = Answer::waiting;
    const Request r = setup.request(kTotp);
    const Outcome outcome = setup.knock(kTotp, r);
    REQUIRE(is_accepted(outcome));
    REQUIRE(outcome.accepted()->waiting.has_value());
    const Asked& asked = setup.state.asked(*outcome.accepted()->waiting);
    CHECK(asked.live == 1);
    CHECK(asked.id == r.id);
    CHECK(asked.credential == setup.policy.credentials[kTotp].id);
    CHECK(asked.request.address == address("192.0.2.7"));
    CHECK(asked.arrived == setup.now.boot.time_since_epoch().count());
    CHECK(is_accepted(setup.knock(kTotp, r))); // no retry that does nothing: it is not open yet
    CHECK(setup.firewall.opened.size() == 2);

    // A process that ends here leaves it to the next one.
    setup.restart();
    CHECK(setup.judge->request_again(*outcome.accepted()->waiting, setup.now, setup.firewall) == Answer::waiting);
    CHECK(setup.firewall.opened.size() == 3);
    setup.firewall.answer = Answer::done;
    CHECK(setup.judge->request_again(*outcome.accepted()->waiting, setup.now, setup.firewall) == Answer::done);
    CHECK(setup.state.asked(*outcome.accepted()->waiting).live == 0);
    CHECK(setup.knock(kTotp, r).accepted()->retry);
    CHECK(setup.firewall.opened.size() == 4);
}

TEST_CASE("what waited and could not be done may come again; what is done at once waits for nothing") {
    Setup setup;
    setup.firewall.answer = Answer::waiting;
    const Request r = setup.request(kPlain);
    const Outcome outcome = setup.knock(kPlain, r);
    setup.state.end_asked(outcome.accepted()->waiting.value(), false);
    setup.firewall.answer = Answer::done;
    const Outcome again = setup.knock(kPlain, r);
    REQUIRE(is_accepted(again));
    CHECK_FALSE(again.accepted()->waiting.has_value());
    CHECK(setup.firewall.opened.size() == 2);
}

TEST_CASE("the highest slot is raised by what was accepted only") {
    Setup setup;
    Request r = setup.request(kTotp);
    Setup::set_code(r, "000000");
    setup.knock(kTotp, r);
    CHECK(setup.state.header().high_slot == 0);
    setup.knock(kTotp);
    CHECK(setup.state.header().high_slot == slot_of(setup.now.wall));
}

TEST_CASE("replays are refused after the clock was set back") {
    Setup setup;
    std::vector<Record> captured;
    for (int i = 0; i < 20; ++i) {
        captured.push_back(setup.sealed(kPlain, setup.request(kPlain)));
        CHECK(is_accepted(setup.judged(captured.back())));
        setup.pass(1s);
    }
    for (const auto back : {20s, 60s, 90s, 120s, 3600s}) {
        setup.set_wall(setup.now.wall - back);
        for (Record c : captured) {
            c.arrived = setup.now.boot;
            CHECK(setup.judged(c).refused() != nullptr);
        }
        setup.set_wall(setup.now.wall + back);
    }
    CHECK(setup.firewall.opened.size() == 20);
}
