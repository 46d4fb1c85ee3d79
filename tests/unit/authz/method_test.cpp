// SPDX-License-Identifier: MIT
//
// A second way of knocking, which the product does not know, goes through the whole judgement.
#include "fixtures.h"
#include "seams.h"

using namespace xk;
using namespace xk::test;

namespace {

Record port_sequence(const Setup& setup, std::uint32_t who, Slot slot, TotpStep step,
                     const char* source = "192.0.2.7") {
    Record r;
    r.kind = kSequence;
    r.source = address(source);
    r.destination = address("192.0.2.1");
    r.arrived = setup.now.boot;
    r.credential = who;
    r.slot = slot;
    Bytes<8> bytes;
    store_be<std::uint64_t>(bytes, step);
    r.bytes.assign(bytes);
    return r;
}
Record port_sequence(const Setup& setup, std::uint32_t who) {
    return port_sequence(setup, who, slot_of(setup.now.wall), totp_step(setup.now.wall));
}

} // namespace

TEST_CASE("a sequence of ports opens like a packet, for the source that it came from") {
    Setup setup;
    const Outcome outcome = setup.judged(port_sequence(setup, kTotp));
    REQUIRE(is_accepted(outcome));
    CHECK(outcome.credential == kTotp);
    CHECK(outcome.accepted()->what == "ssh");
    REQUIRE(setup.firewall.opened.size() == 1);
    CHECK(setup.firewall.opened[0].address == address("192.0.2.7"));
    CHECK(setup.firewall.opened[0].service == service_id("ssh"));
    CHECK(setup.record(kTotp).accepted == 1);
    CHECK(setup.record(kTotp).code_step == totp_step(setup.now.wall) + 1);
    CHECK(setup.state.header().high_slot == slot_of(setup.now.wall));
    CHECK(setup.state.header().accepted[1] == 1);
}

TEST_CASE("each of its replay keys counts once, over restarts") {
    Setup setup;
    const Slot slot = slot_of(setup.now.wall);
    const TotpStep step = totp_step(setup.now.wall);
    const Record first = port_sequence(setup, kTotp, slot, step);
    CHECK(is_accepted(setup.judged(first)));
    CHECK(is_refused(setup.judged(first), Reject::replay));
    CHECK(is_refused(setup.judged(port_sequence(setup, kTotp, slot, step, "198.51.100.66")), Reject::replay));
    setup.restart();
    CHECK(is_refused(setup.judged(port_sequence(setup, kTotp, slot, step + 1)), Reject::replay)); // once in a slot
    setup.pass(30s);
    CHECK(is_refused(setup.judged(port_sequence(setup, kTotp, slot + 1, step)), Reject::replay)); // the same code
    CHECK(is_accepted(setup.judged(port_sequence(setup, kTotp, slot + 1, step + 1))));
    CHECK(setup.firewall.opened.size() == 2);
}

TEST_CASE("a code counts once, whichever way it comes") {
    Setup packet_first;
    CHECK(is_accepted(packet_first.knock(kTotp)));
    CHECK(is_refused(packet_first.judged(port_sequence(packet_first, kTotp)), Reject::code_used));
    Setup sequence_first;
    CHECK(is_accepted(sequence_first.judged(port_sequence(sequence_first, kTotp))));
    CHECK(is_refused(sequence_first.knock(kTotp), Reject::code_used));
}

TEST_CASE("the steps behind are the same: time, status, rights, and what the firewall says") {
    Setup setup;
    const Slot slot = slot_of(setup.now.wall);
    CHECK(is_refused(setup.judged(port_sequence(setup, kTotp, slot - 3, slot - 3)), Reject::stale));
    CHECK(is_refused(setup.judged(port_sequence(setup, kTotp, slot + 3, slot + 3)), Reject::future));
    CHECK(is_refused(setup.judged(port_sequence(setup, kPlain)), Reject::factor_kind));
    CHECK(is_refused(setup.judged(port_sequence(setup, 99)), Reject::tag));
    setup.bans.add(Prefix::parse("192.0.2.7").value(), {});
    CHECK(is_refused(setup.judged(port_sequence(setup, kTotp)), Reject::banned));
    CHECK(setup.firewall.untouched());
    CHECK(setup.record(kTotp).code_step == 0);

    Setup bound;
    bound.policy.credentials[kTotp].binding = Binding::match;
    bound.restart();
    CHECK(is_refused(bound.judged(port_sequence(bound, kTotp)), Reject::binding));
    Setup limited;
    limited.firewall.answer = Answer::limit;
    CHECK(is_refused(limited.judged(port_sequence(limited, kTotp)), Reject::limit));
    CHECK(is_refused(limited.judged(port_sequence(limited, kTotp)), Reject::replay));
}

TEST_CASE("a worker that ended while it judged one goes on with it, and opens once") {
    struct Killed {};
    struct DyingFirewall : RecordingFirewall {
        Answer open_grant(const GrantRequest&) override { throw Killed{}; }
    } dying;
    Setup setup;
    const Record r = port_sequence(setup, kTotp);
    CHECK_THROWS_AS(setup.judge->judge_record(r, setup.now, dying), Killed);
    setup.restart();
    CHECK(is_accepted(setup.judged(r)));
    CHECK(is_refused(setup.judged(r), Reject::replay));
    CHECK(setup.firewall.opened.size() == 1);
}

TEST_CASE("a kind that no method reads is refused") {
    Setup setup;
    Record r = port_sequence(setup, kTotp);
    r.kind = static_cast<RecordKind>(8);
    CHECK(is_refused(setup.judged(r), Reject::unsupported));
    CHECK(setup.firewall.untouched());
}
