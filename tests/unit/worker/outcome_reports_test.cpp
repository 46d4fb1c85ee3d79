// SPDX-License-Identifier: MIT
//
// What the worker tells of its outcomes, and how much of it: no flood costs xknockd more than a fixed number of
// messages, and none takes the room in the socket that a request for a grant needs.
#include "daemon/worker/outcome_reports.h"

#include <doctest/doctest.h>

#include <poll.h>

using namespace xk;
using namespace xk::worker;
using authz::Reject;
using namespace std::chrono_literals;

namespace {

authz::Outcome refused_from(const Address& source, Reject reason = Reject::replay) {
    authz::Outcome outcome;
    outcome.result = authz::Refused{reason};
    outcome.source = source;
    return outcome;
}

authz::Outcome accepted_from(const Address& source) {
    authz::Outcome outcome;
    outcome.result = authz::Accepted{Action::open, false, source, "ssh", {}};
    outcome.source = source;
    outcome.facts.emplace();
    return outcome;
}

authz::Outcome lock_from(const Address& source) {
    authz::Outcome outcome = refused_from(source);
    outcome.result = authz::Refused{Reject::wrong_code, 30s};
    return outcome;
}

Address nth(std::uint32_t n) {
    return Address::v4(10, static_cast<std::uint8_t>(n >> 16), static_cast<std::uint8_t>(n >> 8),
                       static_cast<std::uint8_t>(n));
}

const Address kFlooder = Address::v4(198, 51, 100, 66), kOther = Address::v4(192, 0, 2, 2);

// An xknockd that reads at once.
struct Reader {
    std::vector<privsep::Outcome> outcomes;
    std::vector<privsep::Suppressed> suppressed;
    bool has_room = true;
    OutcomeReports reports{[this](ByteView bytes) {
        if (!has_room)
            return false;
        const privsep::Received received{{bytes.begin(), bytes.end()}, {}};
        if (const auto outcome = privsep::as<privsep::Outcome>(received))
            outcomes.push_back(*outcome);
        else
            suppressed.push_back(privsep::as<privsep::Suppressed>(received).value());
        return true;
    }};

    void report(const authz::Outcome& outcome, BootTime now) {
        reports.on_sign_of_reading();
        reports.report(outcome, nullptr, now);
    }
    std::uint64_t total() const {
        std::uint64_t all = outcomes.size();
        for (const privsep::Suppressed& s : suppressed)
            all += s.refused + s.accepted;
        return all;
    }
};

} // namespace

TEST_CASE("a message has what explains the outcome, and nothing else of the packet") {
    authz::Credential anna;
    anna.id = {1, 2, 3};
    authz::Outcome outcome = refused_from(kOther, Reject::code_used);
    outcome.facts = authz::Facts{.action = Action::open,
                                 .address = kFlooder,
                                 .service = 5,
                                 .endpoint = {IpProtocol::udp, 51820},
                                 .clock_ahead = -31s,
                                 .totp_step = 59'833'333u};
    privsep::Outcome m = message_of(outcome, &anna);
    CHECK(m.kind == 2);
    CHECK(m.known == 1);
    CHECK(m.credential == anna.id);
    CHECK(m.source == kOther.bytes);
    CHECK(m.was_read == 1);
    CHECK(m.address == kFlooder.bytes);
    CHECK(m.has_clock == 1);
    CHECK(m.clock_ahead == -31);
    CHECK(m.totp_step == 59'833'333);
    CHECK(m.protocol == 17);
    CHECK(m.port == 51820);
    CHECK(m.service == 5);
    CHECK(m.reject == static_cast<std::uint32_t>(Reject::code_used));
    CHECK(m.locked_for == 0);
    m = message_of(lock_from(kOther), &anna);
    CHECK(m.locked_for == 30);
    CHECK(m.was_read == 0);
    CHECK(m.totp_step == -1);
    outcome.result = authz::Refused{Reject::wrong_code, 0s, true};
    CHECK(message_of(outcome, &anna).locked_for == -1);
    m = message_of(refused_from(kOther, Reject::tag), nullptr);
    CHECK(m.known == 0);
    CHECK(m.credential == wire::CredentialId{});
    outcome.result = authz::Accepted{Action::probe, true, kOther, {}, {}};
    outcome.facts->action = Action::probe;
    m = message_of(outcome, &anna);
    CHECK(m.kind == 1);
    CHECK(m.retry == 1);
    CHECK(m.action == 4);
    outcome.facts->clock_ahead.reset();
    CHECK(message_of(outcome, &anna).has_clock == 0);
    CHECK(m.reject == 0);
}

TEST_CASE("a knock that waits for its admission is told when it is decided") {
    Reader reader;
    authz::Outcome outcome = accepted_from(kOther);
    outcome.result = authz::Pending{};
    reader.report(outcome, BootTime(1000s));
    CHECK(reader.total() == 0);
    reader.reports.report_suppressed(BootTime(1000s));
    CHECK(reader.suppressed.empty());
}

TEST_CASE("a million refusals in a second cost a fixed number of messages, and each is counted" *
          doctest::test_suite("long")) {
    constexpr std::uint32_t kFlood = 1'000'000;
    SUBCASE("from one source") {
        Reader reader;
        for (std::uint32_t i = 0; i < kFlood; ++i)
            reader.report(refused_from(kFlooder), BootTime(1000s + i * 1us));
        CHECK(reader.outcomes.size() <= kReportsOfSourceAtOnce + kReportsOfSourcePerSecond);
        reader.reports.report_suppressed(BootTime(1001s));
        CHECK(reader.total() == kFlood);
    }
    SUBCASE("from a million sources") {
        Reader reader;
        for (std::uint32_t i = 0; i < kFlood; ++i)
            reader.report(refused_from(nth(i)), BootTime(1000s + i * 1us));
        CHECK(reader.outcomes.size() <= kReportsAtOnce + kReportsPerSecond);
        CHECK(reader.outcomes.size() >= kReportsAtOnce);
        reader.reports.report_suppressed(BootTime(1001s));
        CHECK(reader.total() == kFlood);
    }
    SUBCASE("for a minute, from a thousand networks of IPv6") {
        Reader reader;
        Address address = Address::parse("2001:db8::").value();
        for (std::uint32_t i = 0; i < kFlood; ++i) {
            address.bytes[6] = static_cast<std::uint8_t>(i % 1000 >> 8);
            address.bytes[7] = static_cast<std::uint8_t>(i % 1000);
            address.bytes[15] = static_cast<std::uint8_t>(i >> 10);
            reader.report(refused_from(address), BootTime(1000s + i * 60us));
        }
        CHECK(reader.outcomes.size() <= kReportsAtOnce + 60 * kReportsPerSecond);
        reader.reports.report_suppressed(BootTime(1060s));
        CHECK(reader.total() == kFlood);
    }
}

TEST_CASE("one who floods hides nobody else" * doctest::test_suite("long")) {
    Reader reader;
    for (std::uint32_t i = 0; i < 100'000; ++i)
        reader.report(refused_from(kFlooder), BootTime(1000s));
    const auto before = reader.outcomes.size();
    CHECK(before == kReportsOfSourceAtOnce);
    reader.report(refused_from(kOther), BootTime(1000s));
    reader.report(accepted_from(kFlooder), BootTime(1000s));
    reader.report(lock_from(kFlooder), BootTime(1000s));
    REQUIRE(reader.outcomes.size() == before + 3);
    CHECK(reader.outcomes[before].source == kOther.bytes);
    CHECK(reader.outcomes[before + 1].kind == 1);
    CHECK(reader.outcomes[before + 2].locked_for == 30);
    // Also where a million sources have used up all of the refusals.
    for (std::uint32_t i = 0; i < 1'000'000; ++i)
        reader.report(refused_from(nth(i)), BootTime(1000s));
    const auto after = reader.outcomes.size();
    reader.report(refused_from(Address::v4(203, 0, 113, 9)), BootTime(1000s));
    CHECK(reader.outcomes.size() == after);
    reader.report(accepted_from(Address::v4(203, 0, 113, 9)), BootTime(1000s));
    reader.report(lock_from(Address::v4(203, 0, 113, 9)), BootTime(1000s));
    CHECK(reader.outcomes.size() == after + 2);
}

TEST_CASE("a lock is told also where a flood has sent all that nobody has read yet") {
    Reader reader;
    for (std::uint32_t i = 0; i < 1000; ++i)
        reader.reports.report(refused_from(nth(i)), nullptr, BootTime(1000s));
    CHECK(reader.outcomes.size() == kUnread);
    for (std::uint32_t i = 0; i < 1000; ++i)
        reader.reports.report(lock_from(nth(i)), nullptr, BootTime(1000s));
    CHECK(reader.outcomes.size() == kUnread + kMoreForLocks);
    CHECK(reader.outcomes.back().locked_for == 30);
    reader.reports.report_suppressed(BootTime(1000s));
    CHECK(reader.total() == 2000);
}

TEST_CASE("neighbours in one network of IPv6 are one source") {
    Reader reader;
    for (unsigned i = 0; i < 100; ++i) {
        Address address = Address::parse("2001:db8::").value();
        address.bytes[15] = static_cast<std::uint8_t>(i);
        reader.report(refused_from(address), BootTime(1000s));
    }
    CHECK(reader.outcomes.size() == kReportsOfSourceAtOnce);
}

TEST_CASE("sources that are quiet again make room for others") {
    Reader reader;
    BootTime now(1000s);
    // One in the second, from ten thousand sources, is never too many.
    for (std::uint32_t i = 0; i < 10'000; ++i, now += 1s)
        reader.report(refused_from(nth(i)), now);
    CHECK(reader.outcomes.size() == 10'000);
}

TEST_CASE("sources beyond those that are remembered share one budget, until some are quiet") {
    Reader reader;
    std::uint32_t source = 0;
    const auto told = [&](std::uint32_t count, BootTime now) {
        reader.reports.on_sign_of_reading();
        const std::size_t before = reader.outcomes.size();
        for (std::uint32_t i = 0; i < count; ++i)
            reader.report(refused_from(nth(source++)), now);
        return reader.outcomes.size() - before;
    };
    told(kMostSources, BootTime(1000s));
    CHECK(told(10, BootTime(1003s)) == kReportsOfSourceAtOnce);
    CHECK(told(10, BootTime(1004s)) == 10);
}

TEST_CASE("where there is no room, nothing is waited for, and what is left out is told later") {
    Reader reader;
    reader.has_room = false;
    for (std::uint32_t i = 0; i < 1000; ++i)
        reader.report(refused_from(nth(i)), BootTime(1000s));
    reader.report(accepted_from(kOther), BootTime(1000s));
    reader.reports.report_suppressed(BootTime(1000s));
    CHECK(reader.total() == 0);
    reader.has_room = true;
    reader.reports.report_suppressed(BootTime(1001s)); // not in ten seconds only: none was told
    REQUIRE(reader.suppressed.size() == 1);
    CHECK(reader.suppressed[0].refused == 1000);
    CHECK(reader.suppressed[0].accepted == 1);
    reader.reports.report_suppressed(BootTime(1100s)); // none since
    CHECK(reader.suppressed.size() == 1);
    for (std::uint32_t i = 0; i < 10; ++i)
        reader.report(refused_from(kOther), BootTime(1100s));
    reader.reports.report_suppressed(BootTime(1100s));
    CHECK(reader.suppressed.size() == 2);
    reader.report(refused_from(kOther), BootTime(1100s));
    reader.reports.report_suppressed(BootTime(1109s));
    CHECK(reader.suppressed.size() == 2);
    reader.reports.report_suppressed(BootTime(1110s));
    CHECK(reader.suppressed.size() == 3);
    CHECK(reader.total() == 1012);
}

TEST_CASE("a peer that does not read keeps its room for what judgement has to ask" * doctest::test_suite("long")) {
    auto ends = privsep::Channel::pair().value();
    privsep::Channel& worker = ends.first;
    privsep::Channel& xknockd = ends.second;
    std::size_t sent = 0;
    OutcomeReports reports([&](ByteView bytes) {
        const auto done = worker.try_send(bytes);
        sent += done && *done;
        return done && *done;
    });
    const auto has_room = [&] {
        pollfd room{worker.fd(), POLLOUT, 0};
        return ::poll(&room, 1, 0) == 1 && (room.revents & POLLOUT) != 0;
    };
    // A minute of everything at once, of which nobody reads a byte.
    for (std::uint32_t i = 0; i < 600'000; ++i) {
        const BootTime now(1000s + i * 100us);
        reports.report(refused_from(nth(i)), nullptr, now);
        reports.report(accepted_from(nth(i)), nullptr, now);
        reports.report(lock_from(nth(i)), nullptr, now);
        if (i % 10'000 == 0)
            reports.report_suppressed(now);
    }
    // The numbers of what was left out come on a Ping, which shows that it reads.
    CHECK(sent >= kUnread);
    CHECK(sent <= kUnread + kMoreForLocks + 6);
    CHECK(has_room()); // Worker::say() would wait for this
    std::size_t read = 0;
    for (auto received = xknockd.receive(false).value(); received; received = xknockd.receive(false).value())
        ++read;
    CHECK(read == sent);
    // Without that limit they would take it all.
    const privsep::Outcome message;
    while (worker.try_send({reinterpret_cast<const std::uint8_t*>(&message), sizeof message}).value())
        ;
    CHECK_FALSE(has_room());
}

TEST_CASE("a peer that is gone is no fault of a message that may be left out") {
    auto ends = privsep::Channel::pair().value();
    ends.second.release();
    OutcomeReports reports([&](ByteView bytes) {
        const auto done = ends.first.try_send(bytes);
        return done && *done;
    });
    reports.report(refused_from(kOther), nullptr, BootTime(1000s));
}
