// SPDX-License-Identifier: MIT
//
// A second way of knocking, which the product does not know, goes through the whole judgement.
#include "fixtures.h"
#include "seams.h"

using namespace xk;
using namespace xk::test;

namespace {

Record sequence(const Court& court, std::uint32_t who, Slot slot, TotpStep step, const char* source = "192.0.2.7") {
    Record r;
    r.kind = kSequence;
    r.source = address(source);
    r.destination = address("192.0.2.1");
    r.arrived = court.now.boot;
    r.credential = who;
    r.slot = slot;
    Bytes<8> bytes;
    store_be<std::uint64_t>(bytes, step);
    r.bytes.assign(bytes.begin(), bytes.end());
    return r;
}
Record sequence(const Court& court, std::uint32_t who) {
    return sequence(court, who, slot_of(court.now.wall), totp_step(court.now.wall));
}

} // namespace

TEST_CASE("a sequence of ports opens like a packet, for the source that it came from") {
    Court court;
    const Outcome outcome = court.judged(sequence(court, kTotp));
    REQUIRE(is_accepted(outcome));
    CHECK(outcome.credential == kTotp);
    CHECK(outcome.accepted()->what == "ssh");
    REQUIRE(court.firewall.opened.size() == 1);
    CHECK(court.firewall.opened[0].address == address("192.0.2.7"));
    CHECK(court.firewall.opened[0].service == service_id("ssh"));
    CHECK(court.record(kTotp).accepted == 1);
    CHECK(court.record(kTotp).totp_step == totp_step(court.now.wall) + 1);
    CHECK(court.state.header().high_slot == slot_of(court.now.wall));
    CHECK(court.state.header().accepted[1] == 1);
}

TEST_CASE("each of its replay keys counts once, over restarts") {
    Court court;
    const Slot slot = slot_of(court.now.wall);
    const TotpStep step = totp_step(court.now.wall);
    const Record first = sequence(court, kTotp, slot, step);
    CHECK(is_accepted(court.judged(first)));
    CHECK(is_refused(court.judged(first), Reject::replay));
    CHECK(is_refused(court.judged(sequence(court, kTotp, slot, step, "198.51.100.66")), Reject::replay));
    court.restart();
    CHECK(is_refused(court.judged(sequence(court, kTotp, slot, step + 1)), Reject::replay)); // once in a slot
    court.pass(30s);
    CHECK(is_refused(court.judged(sequence(court, kTotp, slot + 1, step)), Reject::replay)); // the same code
    CHECK(is_accepted(court.judged(sequence(court, kTotp, slot + 1, step + 1))));
    CHECK(court.firewall.opened.size() == 2);
}

TEST_CASE("a code counts once, whichever way it comes") {
    Court packet_first;
    CHECK(is_accepted(packet_first.knock(kTotp)));
    CHECK(is_refused(packet_first.judged(sequence(packet_first, kTotp)), Reject::code_used));
    Court sequence_first;
    CHECK(is_accepted(sequence_first.judged(sequence(sequence_first, kTotp))));
    CHECK(is_refused(sequence_first.knock(kTotp), Reject::code_used));
}

TEST_CASE("the steps behind are the same: time, status, rights, and what the firewall says") {
    Court court;
    const Slot slot = slot_of(court.now.wall);
    CHECK(is_refused(court.judged(sequence(court, kTotp, slot - 3, slot - 3)), Reject::stale));
    CHECK(is_refused(court.judged(sequence(court, kTotp, slot + 3, slot + 3)), Reject::future));
    CHECK(is_refused(court.judged(sequence(court, kPlain)), Reject::factor_kind));
    CHECK(is_refused(court.judged(sequence(court, 99)), Reject::tag));
    court.bans.add(Prefix::parse("192.0.2.7").value(), {});
    CHECK(is_refused(court.judged(sequence(court, kTotp)), Reject::banned));
    CHECK(court.firewall.untouched());
    CHECK(court.record(kTotp).totp_step == 0);

    Court bound;
    bound.policy.credentials[kTotp].binding = Binding::match;
    bound.restart();
    CHECK(is_refused(bound.judged(sequence(bound, kTotp)), Reject::binding));
    Court limited;
    limited.firewall.answer = Answer::limit;
    CHECK(is_refused(limited.judged(sequence(limited, kTotp)), Reject::limit));
    CHECK(is_refused(limited.judged(sequence(limited, kTotp)), Reject::replay));
}

TEST_CASE("a worker that ended while it judged one goes on with it, and opens once") {
    struct Killed {};
    struct DyingFirewall : RecordingFirewall {
        Answer open(const GrantRequest&) override { throw Killed{}; }
    } dying;
    Court court;
    const Record r = sequence(court, kTotp);
    CHECK_THROWS_AS(court.judge->judge(r, court.now, dying), Killed);
    court.restart();
    CHECK(is_accepted(court.judged(r)));
    CHECK(is_refused(court.judged(r), Reject::replay));
    CHECK(court.firewall.opened.size() == 1);
}

TEST_CASE("a kind that no method reads is refused") {
    Court court;
    Record r = sequence(court, kTotp);
    r.kind = static_cast<RecordKind>(3);
    CHECK(is_refused(court.judged(r), Reject::unsupported));
    CHECK(court.firewall.untouched());
}
