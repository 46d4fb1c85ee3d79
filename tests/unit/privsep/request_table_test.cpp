// SPDX-License-Identifier: MIT
// The request table, against a list of its own: who may say what, when, of which size and with how many descriptors.
#include "daemon/privsep/request_table.h"

#include <doctest/doctest.h>

#include <fcntl.h>

#include <algorithm>

using namespace xk;
using namespace xk::privsep;

namespace {

constexpr Phase kPhases[] = {Phase::set_up, Phase::hand_over, Phase::judging};

struct Message {
    Type type;
    std::size_t size;
    Side to;
    const char* phases; // s, h, j
    std::size_t least_fds, most_fds;
    std::optional<Type> answers;
};

const Message kMessages[] = {
    {Type::setup, sizeof(Setup), Side::worker, "s", 2, 4, {}},
    {Type::new_policy, sizeof(NewPolicy), Side::worker, "hj", 1, 1, {}},
    {Type::secrets, sizeof(Secrets), Side::worker, "hj", 0, 32, {}},
    {Type::activate, sizeof(Activate), Side::worker, "hj", 0, 0, {}},
    {Type::ban, sizeof(privsep::Ban), Side::worker, "hj", 0, 0, {}},
    {Type::unban, sizeof(Unban), Side::worker, "hj", 0, 0, {}},
    {Type::reply_grant, sizeof(ReplyGrant), Side::worker, "j", 0, 0, Type::request_grant},
    {Type::unlock, sizeof(Unlock), Side::worker, "j", 0, 0, {}},
    {Type::accept_clock, sizeof(AcceptClock), Side::worker, "hj", 0, 0, {}},
    {Type::ping, sizeof(Ping), Side::worker, "hj", 0, 0, {}},
    {Type::grant_committed, sizeof(GrantCommitted), Side::worker, "j", 0, 0, {}},
    {Type::panic, sizeof(privsep::Panic), Side::worker, "hj", 0, 0, {}},
    {Type::raise_horizon, sizeof(RaiseHorizon), Side::worker, "hj", 0, 0, {}},
    {Type::ready, sizeof(Ready), Side::xknockd, "s", 0, 0, Type::setup},
    {Type::secrets_read, sizeof(SecretsRead), Side::xknockd, "hj", 0, 0, Type::new_policy},
    {Type::tags, sizeof(Tags), Side::xknockd, "j", 0, 0, {}},
    {Type::steps, sizeof(Steps), Side::xknockd, "j", 0, 0, {}},
    {Type::hellos, sizeof(Hellos), Side::xknockd, "j", 0, 0, {}},
    {Type::answer_hello, sizeof(AnswerHello), Side::xknockd, "j", 0, 0, {}},
    {Type::request_grant, sizeof(RequestGrant), Side::xknockd, "j", 0, 0, {}},
    {Type::notice, sizeof(Notice), Side::xknockd, "j", 0, 0, {}},
    {Type::outcome, sizeof(privsep::Outcome), Side::xknockd, "j", 0, 0, {}},
    {Type::suppressed, sizeof(Suppressed), Side::xknockd, "j", 0, 0, {}},
    {Type::pong, sizeof(Pong), Side::xknockd, "hj", 0, 0, Type::ping},
    {Type::horizon_raised, sizeof(HorizonRaised), Side::xknockd, "hj", 0, 0, Type::raise_horizon},
};

Received received_of(Type type, std::size_t size, std::size_t fds) {
    Received received;
    received.bytes.resize(size);
    std::memcpy(received.bytes.data(), &type, std::min(size, sizeof type));
    for (std::size_t i = 0; i < fds; ++i)
        received.fds.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    return received;
}

// What `side` makes of a message in this phase; where it answers something, it was asked for.
std::optional<Fault> admit(const Message& m, Side side, Phase phase, std::size_t size, std::size_t fds) {
    Conversation conversation(side, phase);
    if (m.answers)
        conversation.on_sent(*m.answers);
    return conversation.admit(received_of(m.type, size, fds), BootTime{});
}

} // namespace

TEST_CASE("the table has each message, and no other") {
    CHECK(std::size(kMessages) == kRequestTable.size());
    CHECK(rule_of(Type{}) == nullptr);
    CHECK(rule_of(static_cast<Type>(99)) == nullptr);
}

TEST_CASE("each message is admitted only in its phases, direction, size and number of descriptors") {
    for (const Message& m : kMessages) {
        CAPTURE(static_cast<int>(m.type));
        const Side other = m.to == Side::worker ? Side::xknockd : Side::worker;
        for (std::size_t i = 0; i < std::size(kPhases); ++i) {
            const bool allowed = std::string_view(m.phases).find("shj"[i]) != std::string_view::npos;
            CAPTURE(i);
            CHECK(admit(m, m.to, kPhases[i], m.size, m.least_fds) ==
                  (allowed ? std::nullopt : std::optional(Fault::phase)));
            CHECK(admit(m, other, kPhases[i], m.size, m.least_fds) == Fault::direction);
            if (!allowed)
                continue;
            CHECK(admit(m, m.to, kPhases[i], m.size + 1, m.least_fds) == Fault::size);
            CHECK(admit(m, m.to, kPhases[i], m.size - 1, m.least_fds) ==
                  (m.size - 1 < 4 ? Fault::unknown : Fault::size));
            CHECK(admit(m, m.to, kPhases[i], m.size, m.most_fds) == std::nullopt);
            CHECK(admit(m, m.to, kPhases[i], m.size, m.most_fds + 1) == Fault::descriptors);
            if (m.least_fds > 0)
                CHECK(admit(m, m.to, kPhases[i], m.size, m.least_fds - 1) == Fault::descriptors);
        }
    }
}

TEST_CASE("an answer is admitted once for each request, and never else") {
    for (const Message& m : kMessages) {
        if (!m.answers)
            continue;
        CAPTURE(static_cast<int>(m.type));
        Conversation conversation(m.to, m.type == Type::ready ? Phase::set_up : Phase::judging);
        const auto next = [&] { return conversation.admit(received_of(m.type, m.size, 0), BootTime{}); };
        CHECK(next() == Fault::unasked);
        conversation.on_sent(*m.answers);
        conversation.on_sent(*m.answers);
        CHECK(next() == std::nullopt);
        CHECK(next() == std::nullopt);
        CHECK(next() == Fault::unasked);
        CHECK(next() == Fault::unasked);
    }
    Conversation conversation(Side::xknockd, Phase::hand_over);
    conversation.on_sent(Type::secrets);
    CHECK(conversation.admit(received_of(Type::secrets_read, sizeof(SecretsRead), 0), BootTime{}) == std::nullopt);
}

TEST_CASE("each kind of message has a budget, which refused messages spend and time fills") {
    using namespace std::chrono_literals;
    const BootTime begin{1h};
    Conversation conversation(Side::xknockd, Phase::judging);
    const auto notice = received_of(Type::notice, sizeof(Notice), 0);
    for (std::size_t i = 0; i < authz::kMaxCredentials; ++i)
        REQUIRE(conversation.admit(notice, begin) == std::nullopt);
    CHECK(conversation.admit(notice, begin) == Fault::too_many);
    CHECK(conversation.admit(received_of(Type::request_grant, sizeof(RequestGrant), 0), begin) == std::nullopt);
    CHECK(conversation.admit(notice, begin + 1s) == std::nullopt);
    CHECK(conversation.admit(notice, begin + 1s) == Fault::too_many);
    unsigned outcomes = 0;
    const auto outcome = received_of(Type::outcome, sizeof(privsep::Outcome), 0);
    const auto suppressed = received_of(Type::suppressed, sizeof(Suppressed), 0);
    while (outcomes < 100'000 && conversation.admit(outcomes % 2 == 0 ? outcome : suppressed, begin) == std::nullopt)
        ++outcomes;
    CHECK(outcomes == 1'000);
    CHECK(conversation.admit(outcome, begin) == Fault::too_many);
    unsigned pongs = 0; // that nobody asked for
    while (pongs < 100'000 &&
           conversation.admit(received_of(Type::pong, sizeof(Pong), 0), begin + 1s) == Fault::unasked)
        ++pongs;
    CHECK(pongs == 16'000);
    CHECK(conversation.admit(received_of(Type::tags, sizeof(Tags), 0), begin + 1s) == Fault::too_many);
    CHECK(conversation.admit(received_of(Type::tags, sizeof(Tags), 0), begin + 2s) == std::nullopt);
}

TEST_CASE("a fault is named with its message") {
    CHECK(text_of(Fault::phase, Type::tags) == "tags in the wrong phase");
    CHECK(text_of(Fault::unasked, Type::pong) == "pong that nobody asked for");
    CHECK(text_of(Fault::unknown, static_cast<Type>(99)) == "a message of no known type");
}

TEST_CASE("the worker has no budget for xknockd's messages") {
    Conversation conversation(Side::worker, Phase::judging);
    for (unsigned i = 0; i < 300'000; ++i)
        REQUIRE(conversation.admit(received_of(Type::ping, sizeof(Ping), 0), BootTime{}) == std::nullopt);
}
