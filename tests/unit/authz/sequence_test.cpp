// SPDX-License-Identifier: MIT
//
// Knocks by sequences of ports: what a record proves, that it counts once, and the odds of guessing.
#include "daemon/authz/sequences.h"
#include "fixtures.h"
#include "protocol/sequence.h"

using namespace xk;
using namespace xk::test;

namespace {

struct Sequences : Setup {
    Sequences() {
        now.wall = slot_begin(slot_of(now.wall)) + 10s;
        for (Credential& c : policy.credentials)
            c.modes.set(static_cast<std::size_t>(KnockMode::sequence));
        policy.settings.sequence.opens = service_id("ssh");
        restart();
    }

    Slot slot() const { return slot_of(now.wall); }

    Record knock_at(std::uint32_t who, Slot in, const char* source = "192.0.2.7") {
        return record_of(sequence::strong_ports(keys_of(who).sequence, in, policy.settings.sequence.ports), who, in,
                         source);
    }
    Record record_of(const std::vector<std::uint16_t>& ports, std::uint32_t who, Slot in,
                     const char* source = "192.0.2.7") {
        std::uint16_t sent[12] = {};
        std::ranges::copy(ports, sent);
        sent[10] = static_cast<std::uint16_t>(ports.size());
        Record r;
        r.kind = RecordKind::sequence;
        r.source = address(source);
        r.destination = address("192.0.2.1");
        r.arrived = now.boot;
        r.credential = who;
        r.slot = in;
        r.bytes.assign({reinterpret_cast<const std::uint8_t*>(sent), sizeof sent});
        return r;
    }
};

} // namespace

TEST_CASE("a sequence opens what the configuration says, for its source") {
    Sequences s;
    const Outcome outcome = s.judged(s.knock_at(kPlain, s.slot()));
    REQUIRE(is_accepted(outcome));
    CHECK(outcome.credential == kPlain);
    CHECK_FALSE(outcome.facts->clock_ahead); // it says nothing of the client's clock
    REQUIRE(s.firewall.opened.size() == 1);
    CHECK(s.firewall.opened[0].address == address("192.0.2.7"));
    CHECK(s.firewall.opened[0].service == service_id("ssh"));
    CHECK(s.firewall.opened[0].lifetime == 0);
}

TEST_CASE("every port counts, and how many there are") {
    Sequences s;
    const auto right = sequence::strong_ports(s.keys_of(kPlain).sequence, s.slot(), 6);
    for (std::size_t i = 0; i < right.size(); ++i) {
        auto ports = right;
        ports[i] ^= 1;
        CHECK(is_refused(s.judged(s.record_of(ports, kPlain, s.slot())), Reject::ports));
    }
    auto ports = right;
    ports.pop_back();
    CHECK(is_refused(s.judged(s.record_of(ports, kPlain, s.slot())), Reject::ports));
    CHECK(is_refused(
        s.judged(s.record_of(sequence::strong_ports(s.keys_of(kPlain).sequence, s.slot(), 7), kPlain, s.slot())),
        Reject::ports));
    CHECK(is_refused(s.judged(s.record_of(right, kDelegate, s.slot())), Reject::ports)); // of another credential
    CHECK(is_refused(s.judged(s.record_of(right, kPlain, s.slot() + 1)), Reject::ports));
    CHECK(is_refused(s.judged(s.record_of(right, 99, s.slot())), Reject::ports));
    CHECK(is_refused(s.judged(s.record_of(right, kPlain, ~std::uint64_t{0})), Reject::ports));
    Record cut = s.record_of(right, kPlain, s.slot());
    cut.bytes.assign({cut.bytes.begin(), cut.bytes.size() - 1});
    CHECK(is_refused(s.judged(cut), Reject::ports));
    CHECK(s.firewall.untouched());
    CHECK(is_accepted(s.judged(s.record_of(right, kPlain, s.slot()))));
}

TEST_CASE("the number of ports is the configuration's") {
    Sequences s;
    for (const std::uint32_t ports : {5u, 10u}) {
        s.policy.settings.sequence.ports = ports;
        s.restart();
        s.pass(60s);
        CHECK(is_accepted(s.judged(s.knock_at(kPlain, s.slot()))));
    }
}

TEST_CASE("it counts once in its slot, whoever sends it, over restarts") {
    Sequences s;
    const Slot slot = s.slot();
    CHECK(is_accepted(s.judged(s.knock_at(kPlain, slot))));
    CHECK(is_refused(s.judged(s.knock_at(kPlain, slot)), Reject::replay));
    CHECK(is_refused(s.judged(s.knock_at(kPlain, slot, "198.51.100.66")), Reject::replay));
    s.restart();
    CHECK(is_refused(s.judged(s.knock_at(kPlain, slot, "198.51.100.66")), Reject::replay));
    CHECK(is_accepted(s.judged(s.knock_at(kDelegate, slot)))); // another credential's
    s.pass(30s);
    CHECK(is_accepted(s.judged(s.knock_at(kPlain, slot + 1))));
}

TEST_CASE("the slot before counts for five seconds, and the next one not at all") {
    Sequences s;
    const Slot slot = s.slot(); // ten seconds old
    CHECK(is_refused(s.judged(s.knock_at(kPlain, slot - 1)), Reject::stale));
    CHECK(is_refused(s.judged(s.knock_at(kPlain, slot + 1)), Reject::future));
    s.pass(25s);
    CHECK(is_accepted(s.judged(s.knock_at(kPlain, slot))));
    s.pass(1s);
    CHECK(is_refused(s.judged(s.knock_at(kDelegate, slot)), Reject::stale));
}

TEST_CASE("after a boot no sequence counts whose slot had begun before") {
    Sequences s;
    s.state.header().refused_until = s.now.boot.time_since_epoch().count();
    s.pass(10s);
    CHECK(is_refused(s.judged(s.knock_at(kPlain, s.slot())), Reject::horizon));
    s.pass(15s);
    CHECK(is_accepted(s.judged(s.knock_at(kPlain, s.slot()))));
}

TEST_CASE("a device with a second factor cannot knock without it") {
    Sequences s;
    CHECK(is_refused(s.judged(s.knock_at(kTotp, s.slot())), Reject::factor_kind));
    CHECK(is_refused(s.judged(s.knock_at(kHmac, s.slot())), Reject::factor_kind));
    CHECK(s.firewall.untouched());
}

TEST_CASE("a user knocks in the ways that they may alone") {
    Sequences s;
    s.policy.credentials[kPlain].modes = 1;    // packets
    s.policy.credentials[kDelegate].modes = 2; // sequences
    s.restart();
    CHECK(is_refused(s.judged(s.knock_at(kPlain, s.slot())), Reject::mode));
    CHECK(is_accepted(s.knock(kPlain)));
    CHECK(is_refused(s.knock(kDelegate), Reject::mode));
    CHECK(is_accepted(s.judged(s.knock_at(kDelegate, s.slot()))));
}

TEST_CASE("the odds of guessing follow from what the filter lets through") {
    CHECK(guess_odds(0, 6) == 0);
    CHECK(guess_odds(1, 6) < 1e-9);
    CHECK(guess_odds(1, 6) > 8e-11);
    CHECK(guess_odds(kMostSequences, 6) < 1e-9);
    CHECK(guess_odds(1, 5) < 1e-6);
    CHECK(guess_odds(1, 5) > 6e-7);
    CHECK(guess_odds(10'000, 5) > 1e-6);
    // By counting: of 8192 * 8191 pairs one is right, and each begun sequence has the right first port.
    CHECK(guess_odds(1, 2) == doctest::Approx(2880.0 * kMostBegun / 8191));
}
