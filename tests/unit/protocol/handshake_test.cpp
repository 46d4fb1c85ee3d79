// SPDX-License-Identifier: MIT
//
// The packets of a handshake: both ends understand each other, and nobody else understands anything.
#include "protocol/handshake.h"

#include "protocol/encoding.h"
#include "protocol/request.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <string>

using namespace xk;
using namespace xk::handshake;

namespace {

constexpr wire::ServerId kServer{5};
constexpr Number kNumber = 7;
constexpr WallTime kClientTime(std::chrono::seconds(1'000)); // a clock that was never set
const Answer kAnswer{WallTime(std::chrono::seconds(1'700'000'000)), Address::v4(192, 0, 2, 7), 40000};
const Key kEphemeral{0, 1};
const Key kServerEphemeral{0, 2};

struct Ends {
    Secret<Keys> client_keys;
    Secret<Keys> server_keys;
    Secret<noise::Handshake> client;
    Secret<noise::Handshake> server;

    explicit Ends(const Key& client_key = Key{1}, const Key& server_key = Key{1}) {
        derive_keys(*client_keys, client_key);
        derive_keys(*server_keys, server_key);
    }
    wire::Packet hello(Number number = kNumber) {
        return write_hello(*client, *client_keys, kServer, number, kEphemeral, kClientTime);
    }
    bool reads_hello(const wire::Packet& packet, Number number = kNumber, const wire::ServerId& id = kServer) {
        return read_hello(*server, *server_keys, id, number, packet);
    }
    wire::Packet answer(const Answer& answer = kAnswer) {
        return write_answer(*server, *server_keys, kNumber, kServerEphemeral, answer).value();
    }
    std::optional<Answer> reads_answer(const wire::Packet& packet, Number number = kNumber) {
        return read_answer(*client, *client_keys, number, packet);
    }
};

wire::Packet flipped(wire::Packet packet, std::size_t bit) {
    packet[bit / 8] = static_cast<std::uint8_t>(packet[bit / 8] ^ 1U << bit % 8);
    return packet;
}

} // namespace

TEST_CASE("hello, answer and request pass between two ends") {
    Ends ends;
    const auto hello = ends.hello();
    // The server finds the hello by its tag and MAC, as it finds a knock.
    const GateKeys gate = gate_keys(ends.server_keys->hello.gate, kNumber);
    CHECK(packet_tag(hello) == gate.tag);
    CHECK(mac_matches(gate.mac_key, hello));
    REQUIRE(ends.reads_hello(hello));
    const auto answer = ends.reads_answer(ends.answer());
    REQUIRE(answer);
    CHECK(*answer == kAnswer);

    Secret<noise::TransportKeys> transport(2);
    ends.client->split(transport[0]);
    ends.server->split(transport[1]);
    Secret<CredentialKeys> keys(2);
    derive_request_keys(keys[0], transport[0]);
    derive_request_keys(keys[1], transport[1]);
    Request request;
    request.endpoint = {IpProtocol::tcp, 22};
    const auto bytes = encode_request(request);
    const auto packet = seal_packet(keys[0], 0, hedged_nonce(keys[0].nonce, kClientTime, bytes), bytes);
    CHECK(packet_tag(packet) == gate_keys(keys[1].gate, 0).tag);
    CHECK(mac_matches(gate_keys(keys[1].gate, 0).mac_key, packet));
    CHECK(open_box(keys[1].seal, 0, packet) == bytes);
    CHECK(ends.client->transcript() == ends.server->transcript());
}

TEST_CASE("a hello is of one credential, one server and one number") {
    Ends ends;
    const auto hello = ends.hello();
    CHECK_FALSE(ends.reads_hello(hello, kNumber + 1));
    CHECK_FALSE(ends.reads_hello(hello, kNumber, wire::ServerId{6}));
    CHECK_FALSE(Ends(Key{1}, Key{2}).reads_hello(hello));
    CHECK(ends.reads_hello(hello));
}

TEST_CASE("an answer is of one hello") {
    Ends ends;
    const auto hello = ends.hello();
    REQUIRE(ends.reads_hello(hello));
    const auto answer = ends.answer();
    CHECK_FALSE(ends.reads_answer(answer, kNumber + 1));
    Ends later;
    (void)write_hello(*later.client, *later.client_keys, kServer, kNumber, Key{0, 3}, kClientTime);
    CHECK_FALSE(later.reads_answer(answer));
    CHECK_FALSE(ends.reads_answer(hello)); // what came back from a mirror
}

TEST_CASE("one changed bit anywhere in hello or answer, and nothing is read") {
    for (std::size_t bit = 0; bit < 8 * wire::kPacketSize; ++bit) {
        CAPTURE(bit);
        Ends ends;
        const auto hello = ends.hello();
        const GateKeys gate = gate_keys(ends.server_keys->hello.gate, kNumber);
        const auto changed = flipped(hello, bit);
        // The filter and the judgement look at tag and MAC before they open anything.
        CHECK_FALSE((packet_tag(changed) == gate.tag && mac_matches(gate.mac_key, changed)));
        if (bit >= 8 * wire::kNonceOffset)
            CHECK_FALSE(ends.reads_hello(changed));
        REQUIRE(ends.reads_hello(hello));
        CHECK_FALSE(ends.reads_answer(flipped(ends.answer(), bit)));
    }
}

TEST_CASE("the answer carries address and clock, and no other form of it") {
    for (const auto& seen : {Address::v4(198, 51, 100, 9), Address::parse("2001:db8::7").value()})
        for (const std::uint16_t port : {std::uint16_t{1}, std::uint16_t{65535}}) {
            Ends ends;
            REQUIRE(ends.reads_hello(ends.hello()));
            const Answer answer{WallTime(std::chrono::microseconds(1)), seen, port};
            CHECK(ends.reads_answer(ends.answer(answer)) == answer);
        }
    // A server that is not ours could write these.
    for (const Answer& wrong : {Answer{kAnswer.clock, kAnswer.seen, 0}, Answer{kAnswer.clock, Address{}, 1},
                                Answer{WallTime(std::chrono::microseconds(-1)), kAnswer.seen, 1}}) {
        Ends ends;
        REQUIRE(ends.reads_hello(ends.hello()));
        CHECK_FALSE(ends.reads_answer(ends.answer(wrong)));
    }
}

TEST_CASE("whoever has the key and fills other bytes than these is not understood") {
    constexpr std::size_t kPayload = wire::kRequestSize - noise::kOverhead;
    const std::string domain = "xknock/1 handshake";
    Bytes<18 + wire::kServerIdSize + 8> prologue{};
    std::ranges::copy(domain, prologue.begin());
    std::ranges::copy(kServer, prologue.begin() + 18);
    prologue.back() = static_cast<std::uint8_t>(kNumber);
    for (std::size_t at = 0; at <= kPayload; ++at) {
        CAPTURE(at);
        // The last turn changes nothing, so it shows that the others fail for what they change.
        const auto change = [at](Bytes<kPayload> payload) {
            if (at < kPayload)
                payload[at] ^= 0x40;
            return payload;
        };
        Ends ends;
        Bytes<kPayload> payload{1};
        RequestBytes message;
        ends.client->begin(ends.client_keys->psk, prologue);
        ends.client->write_first(kEphemeral, change(payload), message);
        CHECK(ends.reads_hello(seal_packet(ends.client_keys->hello, kNumber, {}, message)) == (at == kPayload));

        REQUIRE(ends.reads_hello(ends.hello()));
        payload = {1, 0, 0, 1};
        payload[8 + 7] = 1;
        std::ranges::copy(kAnswer.seen.bytes, payload.begin() + 16);
        REQUIRE(ends.server->write_second(kServerEphemeral, change(payload), message));
        const auto read = ends.reads_answer(seal_packet(ends.server_keys->answer, kNumber, {}, message));
        const bool free = (at >= 2 && at < 4) || (at >= 9 && at <= 16) || (at >= 28 && at < 32);
        CHECK(read.has_value() == (free || at == kPayload));
    }
}

TEST_CASE("the proof of a request covers server, transcript, tag, nonce and head, and not itself") {
    const auto message = [](std::uint8_t server, std::uint8_t transcript, std::uint8_t tag, std::uint8_t nonce,
                            std::size_t at) {
        RequestBytes request{};
        request[at] = 1;
        return handshake::signed_message(wire::ServerId{server}, noise::Hash{transcript}, wire::Tag{tag},
                                         wire::Nonce{nonce}, request);
    };
    const auto base = message(1, 1, 1, 1, 0);
    CHECK(std::equal(base.begin(), base.begin() + 18, "xknock/1 handshake"));
    for (const auto& other : {message(2, 1, 1, 1, 0), message(1, 2, 1, 1, 0), message(1, 1, 2, 1, 0),
                              message(1, 1, 1, 2, 0), message(1, 1, 1, 1, wire::kSignedSize - 1)})
        CHECK(other != base);
    CHECK(message(1, 1, 1, 1, wire::kSignedSize) == message(1, 1, 1, 1, wire::kRequestSize - 1));
}

TEST_CASE("a hello shows nothing of the keys of knocks, and two hellos have nothing in common") {
    Ends ends;
    const auto first = ends.hello(1);
    const auto second = ends.hello(2);
    for (std::size_t at = 0; at + 8 <= wire::kPacketSize; at += 8)
        CHECK_FALSE(std::equal(first.begin() + static_cast<std::ptrdiff_t>(at),
                               first.begin() + static_cast<std::ptrdiff_t>(at + 8),
                               second.begin() + static_cast<std::ptrdiff_t>(at)));
}
