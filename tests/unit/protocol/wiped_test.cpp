// SPDX-License-Identifier: MIT
// What the functions of the protocol derive from a secret is in no memory that is free again.
#include "protocol/encoding.h"
#include "protocol/keys.h"
#include "protocol/otp.h"
#include "protocol/request.h"
#include "protocol/seal.h"
#include "tests/unit/recording/left_behind.h"

#include <doctest/doctest.h>

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>

using namespace xk;
using namespace xk::test;

namespace {

constexpr Slot kSlot = 100;
const wire::ServerId kServer{8};
const wire::CredentialId kCredential{9};

// Room for a result. Nothing runs behind the function that makes it, so nothing is written over what it has left.
template <typename T>
struct Place {
    static_assert(std::is_trivially_destructible_v<T>);
    alignas(T) std::byte memory[sizeof(T)];
    T& value() { return *std::launder(reinterpret_cast<T*>(memory)); }
};

Key derived(const Key& from, std::uint64_t number, const char* context) {
    Key out;
    crypto_kdf_derive_from_key(out.data(), out.size(), number, context, from.data());
    return out;
}

CredentialKeys make_keys() {
    CredentialKeys keys;
    derive_keys(keys, Key{7}, kServer, kCredential);
    return keys;
}

RequestBytes request_with_proof() {
    Request r;
    r.endpoint = {IpProtocol::tcp, 22};
    r.factor = FactorKind::hmac;
    for (std::size_t i = 0; i < r.proof.size(); ++i)
        r.proof[i] = static_cast<std::uint8_t>(0xa0 + i);
    return encode_request(r);
}

} // namespace

TEST_CASE("no key between the key of a credential and the keys that are used stays in memory") {
    Key master;
    std::vector<std::uint8_t> named = {'x', 'k', 'n', 'o', 'c', 'k', '/', '1'};
    named.insert(named.end(), kServer.begin(), kServer.end());
    named.insert(named.end(), kCredential.begin(), kCredential.end());
    const Key credential{7};
    crypto_generichash(master.data(), master.size(), named.data(), named.size(), credential.data(), credential.size());
    CredentialKeys keys;
    CHECK_FALSE(leaves_behind(master, [&] { derive_keys(keys, credential, kServer, kCredential); }));
    REQUIRE(keys.gate == derived(master, 1, "xk1_root")); // it was the key to look for

    const Key slot_key = derived(keys.gate, kSlot, "xk1_gate");
    Place<GateKeys> gate;
    CHECK_FALSE(leaves_behind(slot_key, [&] { new (gate.memory) GateKeys(gate_keys(keys.gate, kSlot)); }));
    REQUIRE(std::equal(gate.value().tag.begin(), gate.value().tag.end(), slot_key.begin()));
}

TEST_CASE("whoever needs the tag of a slot leaves its MAC key in no memory") {
    const CredentialKeys keys = make_keys();
    const GateKeys gate = gate_keys(keys.gate, kSlot);
    Place<wire::Tag> tag;
    CHECK_FALSE(leaves_behind(gate.mac_key, [&] { new (tag.memory) wire::Tag(slot_tag(keys.gate, kSlot)); }));
    CHECK(tag.value() == gate.tag);
}

TEST_CASE("no key of a packet stays in memory where the packet is sealed or opened") {
    const CredentialKeys keys = make_keys();
    const GateKeys gate = gate_keys(keys.gate, kSlot);
    const Key box = seal_key(keys.seal, kSlot);
    const RequestBytes request = request_with_proof();
    const wire::Nonce nonce{1, 2, 3};
    wire::Packet packet;
    for (const ByteView secret : {ByteView(gate.mac_key), ByteView(box)})
        CHECK_FALSE(leaves_behind(secret, [&] { packet = seal_packet(keys, kSlot, nonce, request); }));
    Place<std::optional<RequestBytes>> opened;
    const auto open = [&] { new (opened.memory) std::optional<RequestBytes>(open_box(keys.seal, kSlot, packet)); };
    CHECK_FALSE(leaves_behind(box, open));
    CHECK(opened.value() == request);
    CHECK_FALSE(leaves_behind(ByteView(request).subspan(wire::kSignedSize), open)); // the second factor
    CHECK(opened.value() == request);
}

TEST_CASE("the second factor stays in no other memory than the request that was decoded") {
    const RequestBytes bytes = request_with_proof();
    using Decoded = std::variant<Request, RequestFault>;
    Place<Decoded> decoded;
    CHECK_FALSE(leaves_behind(ByteView(bytes).subspan(wire::kSignedSize),
                              [&] { new (decoded.memory) Decoded(decode_request(bytes)); }));
    CHECK(std::get<Request>(decoded.value()).proof[63] == 0xa0 + 63);
}

TEST_CASE("the right answer to a wrong HMAC stays in no memory") {
    const Bytes<32> key{3};
    const SignedMessage message{4};
    const Proof right = hmac_proof(key, message);
    bool matches = true;
    CHECK_FALSE(leaves_behind(ByteView(right).first(32), [&] { matches = hmac_matches(key, message, Proof{5}); }));
    CHECK_FALSE(matches);
}

TEST_CASE("a secret that is shown in base32 stays in no other memory") {
    const Bytes<20> secret{'s', 'e', 'c', 'r', 'e', 't'};
    const std::string wanted = to_base32(secret);
    const ByteView bytes(reinterpret_cast<const std::uint8_t*>(wanted.data()), wanted.size());
    std::unique_ptr<std::string> shown;
    CHECK_FALSE(leaves_behind(bytes, [&] { shown.reset(new std::string(to_base32(secret))); }));
    CHECK(*shown == wanted);
}
