// SPDX-License-Identifier: MIT
//
// Hellos of handshakes and what the worker publishes after each: the numbers that the filter lets in next.
#include "tests/unit/worker/test_worker.h"

#include "daemon/authz/handshakes.h"
#include "protocol/handshake.h"

using namespace xk;
using namespace xk::test;

namespace {

struct Greeted : TestWorker {
    static constexpr std::uint32_t kMost = kHellosInMessage;

    Greeted()
        : TestWorker(2, [](authz::State& state) {
              state.header().horizon = state.header().horizon_boot = state.header().refused_until = 0;
          }) {
        for (authz::Credential& credential : credentials)
            credential.modes.set(static_cast<std::size_t>(authz::KnockMode::handshake));
    }

    void push(std::uint32_t place, handshake::Number number) const {
        Key key;
        key.fill(9);
        Secret<CredentialKeys> credential;
        derive_keys(*credential, key, {}, credentials[place].id);
        Secret<handshake::Keys> keys;
        handshake::derive_keys(*keys, credential->handshake);
        noise::Handshake state;
        Key ephemeral;
        randombytes_buf(ephemeral.data(), ephemeral.size());
        const auto packet = handshake::write_hello(state, *keys, {}, number, ephemeral, Now::read().wall);
        xk_packet_record record{};
        record.head.kind = XK_RECORD_HELLO;
        record.head.version = XK_PACKET_RECORD_VERSION;
        record.head.length = sizeof record;
        record.head.source_port = 40000;
        const Address from = Address::v4(192, 0, 2, 7), here = Address::v4(192, 0, 2, 1);
        std::memcpy(record.head.source.bytes, from.bytes.data(), sizeof record.head.source.bytes);
        std::memcpy(record.head.destination.bytes, here.bytes.data(), sizeof record.head.destination.bytes);
        record.head.arrived = static_cast<std::uint64_t>(BootClock::now().time_since_epoch().count());
        record.head.credential = place;
        record.head.slot = number;
        std::memcpy(record.packet, packet.data(), packet.size());
        ring.push({reinterpret_cast<const std::uint8_t*>(&record), sizeof record});
    }
    // The first number of the next publication for this place. Nothing else may be an answer to a hello.
    struct Published {
        handshake::Number first = 0;
        std::uint32_t answers = 0;
    };
    Published published(std::uint32_t place) {
        for (Published found;;) {
            pollfd there{worker.channel.fd(), POLLIN, 0};
            REQUIRE(::poll(&there, 1, 10'000) == 1); // only for a test that fails
            const auto received = worker.channel.receive(false).value().value();
            found.answers += as<AnswerHello>(received).has_value();
            if (const auto hellos = as<Hellos>(received); hellos && hellos->place == place) {
                REQUIRE(hellos->count == kMost);
                for (std::uint32_t i = 0; i < kMost; ++i)
                    CHECK(hellos->hellos[i].number == hellos->hellos[0].number + i);
                found.first = hellos->hellos[0].number;
                return found;
            }
        }
    }
    // The first hellos of both were read.
    void judge_both() {
        judge();
        CHECK(published(0).first == 1);
        CHECK(published(1).first == 1);
    }
};

} // namespace

TEST_CASE("after an answer the next hellos are published") {
    Greeted w;
    w.judge_both();
    w.push(0, 1);
    const auto next = w.published(0);
    CHECK(next.answers == 1);
    CHECK(next.first == 2);
}

// Without it a device would be locked out for good after 64 hellos in a time in which it may not knock.
TEST_CASE("a hello that is refused moves the published ones too") {
    Greeted w;
    SUBCASE("of a disabled device") { w.credentials[1].enabled = false; }
    SUBCASE("outside the device's dates") { w.credentials[1].valid_until = WallTime(std::chrono::seconds(1)); }
    w.judge_both();
    for (handshake::Number number = 1; number <= 2 * Greeted::kMost; ++number) {
        w.push(1, number);
        const auto next = w.published(1);
        REQUIRE(next.answers == 0);
        REQUIRE(next.first == number + 1);
    }
    w.push(0, 1);
    CHECK(w.published(0).answers == 1); // nobody else
}

TEST_CASE("a hello without a place for its handshake moves the published ones too") {
    Greeted w;
    w.judge_both();
    std::uint32_t answers = 0;
    for (handshake::Number number = 1; number <= 2 * Greeted::kMost; ++number) {
        w.push(0, number);
        const auto next = w.published(0);
        answers += next.answers;
        REQUIRE(next.first == number + 1);
    }
    CHECK(answers == authz::kMostHalfOpen);
    w.push(1, 1);
    CHECK(w.published(1).answers == 1);
}
