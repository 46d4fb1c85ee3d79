// SPDX-License-Identifier: MIT
//
// The facts of an outcome: what the knock itself said, for whoever has to explain the outcome.
#include "daemon/authz/event.h"
#include "fixtures.h"

using namespace xk;
using namespace xk::test;
using namespace std::chrono_literals;

TEST_CASE("a knock that could be read says what it asked for, and how far its clock is off") {
    Setup setup;
    Request r = setup.request(kPlain);
    r.clock -= 12s;
    const Outcome outcome = setup.knock(kPlain, r);
    CHECK(is_accepted(outcome));
    REQUIRE(outcome.facts);
    CHECK(outcome.facts->action == Action::open);
    CHECK(outcome.facts->address == address("192.0.2.7"));
    CHECK(outcome.facts->clock_ahead == -12s);
    CHECK(outcome.facts->service == r.service);
    CHECK(outcome.facts->endpoint == r.endpoint);
    CHECK_FALSE(outcome.facts->totp_step);
}

TEST_CASE("a refused one likewise, however far its clock is off") {
    Setup setup;
    Request r = setup.request(kPlain);
    r.service = service_id("no such service");
    r.endpoint = {};
    Outcome outcome = setup.knock(kPlain, r);
    CHECK(is_refused(outcome, Reject::service));
    CHECK(outcome.facts.value().service == r.service);
    Record c = setup.sealed(kPlain, setup.request(kPlain));
    wire::Packet changed = packet_of(c);
    changed[0] ^= 1;
    c.bytes.assign(changed);
    CHECK_FALSE(setup.judged(c).facts); // it was nobody's, and nothing of it was read
}

TEST_CASE("a code that was used before says of which step it is") {
    Setup setup;
    CHECK(setup.knock(kTotp).facts.value().totp_step == totp_step(setup.now.wall));
    const Outcome again = setup.knock(kTotp);
    CHECK(is_refused(again, Reject::code_used));
    CHECK(again.facts.value().totp_step == totp_step(setup.now.wall));
    Request wrong = setup.request(kTotp);
    Setup::set_code(wrong, "000000");
    CHECK_FALSE(setup.knock(kTotp, wrong).facts.value().totp_step);
}

TEST_CASE("each kind of event and each cause of an end is found by its name, and no other name is") {
    for (std::size_t i = 0; i < kEventKinds; ++i)
        CHECK(event_kind(name_of(static_cast<EventKind>(i))) == static_cast<EventKind>(i));
    for (std::size_t i = 0; i < kEndCauses; ++i)
        CHECK(end_cause(name_of(static_cast<EndCause>(i))) == static_cast<EndCause>(i));
    CHECK_FALSE(event_kind("expired"));
    CHECK_FALSE(end_cause("banned_"));
    CHECK(name_of(static_cast<EventKind>(kEventKinds)) == "?");
    CHECK(name_of(static_cast<EndCause>(kEndCauses)) == "?");
}

TEST_CASE("a text of an event is one line of at most its length, and ends with dots where it was cut") {
    CHECK(bounded("", 8) == "");
    CHECK(bounded("12345678", 8) == "12345678");
    CHECK(bounded("123456789", 8) == "12345...");
    CHECK(bounded("1\n3", 8) == "1\\x0a3");
    CHECK(bounded("\x01\x01\x01", 8).size() == 8);
    CHECK(bounded("12345", 2) == "...");
    Event event;
    event.user = std::string(5000, 'a');
    event.more = event.user;
    bound(event);
    CHECK(event.user.size() < 5000);
    CHECK(event.more == event.user);
    CHECK(event.detail.empty());
    Event full;
    std::size_t size = sizeof full, length = 1000;
    for (std::string* const text : {&full.user, &full.device, &full.service, &full.pinholes, &full.detail, &full.verb,
                                    &full.failure, &full.more}) {
        text->reserve(length *= 2);
        size += text->capacity();
    }
    CHECK(size_of(full) == size);
}
