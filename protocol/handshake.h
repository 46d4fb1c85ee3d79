// SPDX-License-Identifier: MIT
//
// The three packets of a knock by handshake (docs/protocol.md, "The handshake"): *hello*, *answer* and *request*. Each
// is a packet of protocol/seal.h, 192 bytes that look like noise. What differs is the channel: the keys that it is
// sealed with, and the number that stands in the place of the slot. Hellos and answers are counted, because a handshake
// serves a client whose clock may be wrong. The keys of the request come from the handshake and from nothing else.
#pragma once

#include "protocol/base/address.h"
#include "protocol/base/clock.h"
#include "protocol/keys.h"
#include "protocol/noise.h"
#include "protocol/otp.h"
#include "protocol/seal.h"

#include <cstdint>
#include <optional>

namespace xk::handshake {

// Which hello of the credential this is; 0 is none. It goes up with every hello, and the answer has the same one.
using Number = std::uint64_t;
inline constexpr Number kLastNumber = (Number{1} << 62) - 1;

// What one credential needs for its handshakes, derived once.
struct Keys {
    CredentialKeys hello;
    CredentialKeys answer;
    Key psk;
};
// `handshake` is the credential's subkey 3. `out` lies inside a Secret.
void derive_keys(Keys& out, const Key& handshake);

// The channel of the request. Its number is always 0, because there is one request for each handshake. `out` lies
// inside a Secret.
void derive_request_keys(CredentialKeys& out, const noise::TransportKeys& transport);

// What the server tells the client.
struct Answer {
    WallTime clock{}; // the server's
    Address seen;     // the source of the hello
    std::uint16_t port = 0;

    bool operator==(const Answer&) const = default;
};

// The client. `state` begins here. The nonce key of `keys` is part of the nonce, so that a clone of the machine does
// not repeat one; `ephemeral` is new for each hello.
wire::Packet write_hello(noise::Handshake& state, const Keys& keys, const wire::ServerId& server, Number number,
                         const Key& ephemeral, WallTime now);
// The server. `state` begins here. False: tag and MAC may be right, but the rest is not a hello of this number.
[[nodiscard]] bool read_hello(noise::Handshake& state, const Keys& keys, const wire::ServerId& server, Number number,
                              const wire::Packet& packet);

// The server. Nothing: the client's key is of low order. The answer is never longer than the hello.
std::optional<wire::Packet> write_answer(noise::Handshake& state, const Keys& keys, Number number, const Key& ephemeral,
                                         const Answer& answer);
// The client. Nothing: the packet is not the answer to the hello of this number and state.
std::optional<Answer> read_answer(noise::Handshake& state, const Keys& keys, Number number, const wire::Packet& packet);

// "xknock/1 handshake" | S | transcript | tag | nonce | request[0..72): the message that the proof of a factor with a
// key covers in a request by handshake. So a proof is good for one handshake.
using SignedMessage =
    Bytes<18 + wire::kServerIdSize + noise::kHashSize + wire::kTagSize + wire::kNonceSize + wire::kSignedSize>;
SignedMessage signed_message(const wire::ServerId& server, const noise::Hash& transcript, const wire::Tag& tag,
                             const wire::Nonce& nonce, const RequestBytes& request);

} // namespace xk::handshake
