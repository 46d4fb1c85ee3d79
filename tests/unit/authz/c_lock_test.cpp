// SPDX-License-Identifier: MIT
//
// Knocks by sequences of c-lock: what a record proves, that its code counts once in all ways, and the odds of guessing.
#include "daemon/authz/sequences.h"
#include "fixtures.h"
#include "protocol/sequence.h"

using namespace xk;
using namespace xk::test;

namespace {

struct Clocks : Setup {
    Clocks() {
        now.wall = slot_begin(slot_of(now.wall)) + 10s;
        for (Credential& c : policy.credentials)
            c.modes.set(static_cast<std::size_t>(KnockMode::c_lock));
        policy.settings.c_lock.opens = service_id("ssh");
        restart();
    }

    Slot slot() const { return slot_of(now.wall); }

    Record knock_at(std::uint32_t who, Slot in, const char* source = "192.0.2.7") {
        return record_of(clock_ports_of(judge->factors()[who], in, policy.settings.c_lock.ports), who, in, source);
    }
    Record record_of(const std::vector<std::uint16_t>& ports, std::uint32_t who, Slot in,
                     const char* source = "192.0.2.7") {
        std::uint16_t sent[12] = {};
        std::ranges::copy(ports, sent);
        sent[10] = static_cast<std::uint16_t>(ports.size());
        Record r;
        r.kind = RecordKind::c_lock;
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

TEST_CASE("a sequence of c-lock opens what the configuration says, for its source, and uses up its code") {
    Clocks s;
    const Outcome outcome = s.judged(s.knock_at(kTotp, s.slot()));
    REQUIRE(is_accepted(outcome));
    CHECK(outcome.credential == kTotp);
    CHECK(outcome.facts->totp_step == s.slot());
    CHECK_FALSE(outcome.facts->clock_ahead);
    REQUIRE(s.firewall.opened.size() == 1);
    CHECK(s.firewall.opened[0].address == address("192.0.2.7"));
    CHECK(s.firewall.opened[0].service == service_id("ssh"));
    CHECK(is_refused(s.judged(s.knock_at(kTotp, s.slot(), "192.0.2.8")), Reject::replay));
    CHECK(is_refused(s.judged(s.knock_at(kTotp, s.slot() - 1)), Reject::stale));
}

TEST_CASE("a code of c-lock counts once, also over a restart") {
    Clocks s;
    const Record knock = s.knock_at(kTotp, s.slot());
    CHECK(is_accepted(s.judged(knock)));
    s.restart();
    CHECK(is_refused(s.judged(s.knock_at(kTotp, s.slot())), Reject::replay));
    CHECK(s.firewall.opened.size() == 1);
}

TEST_CASE("ports that are not those of the code, and devices without such codes, prove nothing") {
    Clocks s;
    auto ports = clock_ports_of(s.judge->factors()[kTotp], s.slot(), 4);
    for (std::size_t i = 0; i < ports.size(); ++i) {
        auto wrong = ports;
        ++wrong[i];
        CHECK(is_refused(s.judged(s.record_of(wrong, kTotp, s.slot())), Reject::ports));
    }
    auto fewer = ports;
    fewer.pop_back();
    CHECK(is_refused(s.judged(s.record_of(fewer, kTotp, s.slot())), Reject::ports));
    CHECK(is_refused(s.judged(s.knock_at(kPlain, s.slot())), Reject::ports));
    Record cut = s.knock_at(kTotp, s.slot());
    cut.bytes.assign({cut.bytes.begin(), cut.bytes.size() - 1});
    CHECK(is_refused(s.judged(cut), Reject::ports));
    CHECK(is_refused(s.judged(s.knock_at(kTotp, s.slot() + 1)), Reject::future));
    CHECK(s.firewall.untouched());
    CHECK(is_accepted(s.judged(s.knock_at(kTotp, s.slot()))));
}

TEST_CASE("who may not knock so is refused") {
    Clocks s;
    s.policy.credentials[kTotp].modes = 1;
    s.restart();
    CHECK(is_refused(s.judged(s.knock_at(kTotp, s.slot())), Reject::mode));
}

TEST_CASE("the odds of guessing a code of c-lock are those of docs/protocol.md") {
    CHECK(clock_guess_odds(1, 10) == doctest::Approx(5e-4));
    CHECK(clock_guess_odds(3, 1) == doctest::Approx(1.5e-4));
    CHECK(clock_guess_odds(0, 10) == 0);
}
