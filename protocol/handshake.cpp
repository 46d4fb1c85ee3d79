// SPDX-License-Identifier: MIT
#include "protocol/handshake.h"

#include <algorithm>
#include <string_view>

namespace xk::handshake {
namespace {

constexpr char kContext[] = "xk1_hand"; // under the credential's subkey 3
constexpr char kRequest[] = "xk1_hreq"; // under the key of the handshake
enum Subkey : std::uint64_t {
    kHelloGate = 1,
    kHelloSeal = 2,
    kAnswerGate = 3,
    kAnswerSeal = 4,
    kPsk = 5,
    kNonce = 6,
};

constexpr std::string_view kHandshakeDomain = "xknock/1 handshake";

// A message of the handshake fills the box, so that a hello, an answer and a request do not differ.
constexpr std::size_t kPayloadSize = wire::kRequestSize - noise::kOverhead;
constexpr std::uint8_t kVersion = 1;

using Payload = Bytes<kPayloadSize>;
using Prologue = Bytes<18 + wire::kServerIdSize + sizeof(Number)>;
static_assert(kHandshakeDomain.size() == 18);

// libsodium leaves each hash in a frame of its own that is over (protocol/keys.cpp).
void wipe_library_frames() { sodium_stackzero(2048); }

Key subkey(const Key& from, std::uint64_t number, const char* context) {
    Key out;
    crypto_kdf_derive_from_key(out.data(), out.size(), number, context, from.data());
    return out;
}

// Client, server and hello are those that both ends mean: each has keys of its own, and all are part of the transcript.
Prologue prologue(const wire::ServerId& server, Number number) {
    Prologue out;
    auto at = std::ranges::copy(kHandshakeDomain, out.begin()).out;
    std::ranges::copy(server, at);
    store_be<Number>(std::span(out).last<sizeof(Number)>(), number);
    return out;
}

wire::Packet seal(const CredentialKeys& keys, Number number, WallTime now, const RequestBytes& message) {
    return seal_packet(keys, number, hedged_nonce(keys.nonce, now, message), message);
}

Payload payload_of(const Answer& answer) {
    Payload out{};
    const std::span bytes(out);
    out[0] = kVersion;
    store_be<std::uint16_t>(field<2, 2>(bytes), answer.port);
    store_be<std::uint64_t>(field<8, 8>(bytes), static_cast<std::uint64_t>(answer.clock.time_since_epoch().count()));
    std::ranges::copy(answer.seen.bytes, field<16, 16>(bytes).begin());
    return out;
}

// Strict, as decode_request() is: nothing but what payload_of() can have written.
std::optional<Answer> answer_of(const Payload& payload) {
    const std::span bytes(payload);
    const auto clock = load_be<std::uint64_t>(field<8, 8>(bytes));
    Answer answer;
    answer.port = load_be<std::uint16_t>(field<2, 2>(bytes));
    std::ranges::copy(field<16, 16>(bytes), answer.seen.bytes.begin());
    if (payload[0] != kVersion || answer.port == 0 || clock >> 62 != 0 || !answer.seen.is_grantable())
        return std::nullopt;
    answer.clock = WallTime(std::chrono::microseconds(clock));
    return payload == payload_of(answer) ? std::optional(answer) : std::nullopt;
}

} // namespace

void derive_keys(Keys& out, const Key& handshake) {
    out.hello.gate = subkey(handshake, kHelloGate, kContext);
    out.hello.seal = subkey(handshake, kHelloSeal, kContext);
    out.answer.gate = subkey(handshake, kAnswerGate, kContext);
    out.answer.seal = subkey(handshake, kAnswerSeal, kContext);
    out.psk = subkey(handshake, kPsk, kContext);
    out.hello.nonce = out.answer.nonce = subkey(handshake, kNonce, kContext);
    wipe_library_frames();
}

void derive_request_keys(CredentialKeys& out, const noise::TransportKeys& transport) {
    out.gate = subkey(transport.to_responder, 1, kRequest);
    out.seal = subkey(transport.to_responder, 2, kRequest);
    out.nonce = subkey(transport.to_responder, 3, kRequest);
    wipe_library_frames();
}

wire::Packet write_hello(noise::Handshake& state, const Keys& keys, const wire::ServerId& server, Number number,
                         const Key& ephemeral, WallTime now) {
    RequestBytes message;
    Payload payload{};
    payload[0] = kVersion;
    state.begin(keys.psk, prologue(server, number));
    state.write_first(ephemeral, payload, message);
    return seal(keys.hello, number, now, message);
}

bool read_hello(noise::Handshake& state, const Keys& keys, const wire::ServerId& server, Number number,
                const wire::Packet& packet) {
    const auto message = open_box(keys.hello.seal, number, packet);
    if (!message)
        return false;
    Payload payload;
    Payload expected{};
    expected[0] = kVersion;
    state.begin(keys.psk, prologue(server, number));
    return state.read_first(*message, payload) && payload == expected;
}

std::optional<wire::Packet> write_answer(noise::Handshake& state, const Keys& keys, Number number, const Key& ephemeral,
                                         const Answer& answer) {
    RequestBytes message;
    if (!state.write_second(ephemeral, payload_of(answer), message))
        return std::nullopt;
    return seal(keys.answer, number, answer.clock, message);
}

std::optional<Answer> read_answer(noise::Handshake& state, const Keys& keys, Number number,
                                  const wire::Packet& packet) {
    GateKeys gate = gate_keys(keys.answer.gate, number);
    const Wiped wiped(gate);
    if (packet_tag(packet) != gate.tag || !mac_matches(gate.mac_key, packet))
        return std::nullopt;
    const auto message = open_box(keys.answer.seal, number, packet);
    Payload payload;
    if (!message || !state.read_second(*message, payload))
        return std::nullopt;
    return answer_of(payload);
}

SignedMessage signed_message(const wire::ServerId& server, const noise::Hash& transcript, const wire::Tag& tag,
                             const wire::Nonce& nonce, const RequestBytes& request) {
    SignedMessage out;
    auto at = std::ranges::copy(kHandshakeDomain, out.begin()).out;
    at = std::ranges::copy(server, at).out;
    at = std::ranges::copy(transcript, at).out;
    at = std::ranges::copy(tag, at).out;
    at = std::ranges::copy(nonce, at).out;
    std::copy_n(request.begin(), wire::kSignedSize, at);
    return out;
}

} // namespace xk::handshake
