// SPDX-License-Identifier: MIT
//
// The committed vectors, which an independent implementation (tests/vectors/reference.py) wrote.
#include "vectors.h"

#include "protocol/keys.h"
#include "protocol/otp.h"
#include "protocol/request.h"
#include "protocol/seal.h"

#include <numeric>

using namespace xk;
using test::bytes;
using test::number;

namespace {

Bytes<16> counting_key() {
    Bytes<16> key;
    std::iota(key.begin(), key.end(), std::uint8_t{0});
    return key;
}

Request request_of(const test::Block& block) {
    Request r;
    r.action = static_cast<Action>(number(block, "action"));
    r.factor = static_cast<FactorKind>(number(block, "factor"));
    r.address_mode = static_cast<AddressMode>(number(block, "mode"));
    r.single_use = number(block, "flags") == 1;
    r.endpoint.protocol = static_cast<IpProtocol>(number(block, "protocol"));
    r.endpoint.port = static_cast<std::uint16_t>(number(block, "port"));
    r.lifetime = static_cast<std::uint32_t>(number(block, "lifetime"));
    r.service = static_cast<ServiceId>(number(block, "service"));
    r.clock = WallTime(std::chrono::microseconds(number(block, "clock")));
    if (!block.at("address").empty())
        r.address = Address::parse(block.at("address")).value();
    r.id = bytes<16>(block, "id");
    if (!block.at("target").empty())
        r.target = Address::parse(block.at("target")).value();
    r.proof = bytes<64>(block, "proof");
    return r;
}

} // namespace

TEST_CASE("SipHash-2-4 gives the 64 vectors of its authors") {
    const auto block = test::read_vectors("siphash.txt").front();
    REQUIRE(block.size() == 64);
    for (unsigned length = 0; length < 64; ++length) {
        Bytes<64> message;
        std::iota(message.begin(), message.end(), std::uint8_t{0});
        Bytes<8> mac;
        crypto_shorthash(mac.data(), message.data(), length, counting_key().data());
        CHECK(to_hex(mac) == block.at(std::to_string(length)));
    }
}

TEST_CASE("BLAKE2b-512 of \"abc\" is that of RFC 7693, appendix A") {
    Bytes<64> hash;
    const Bytes<3> abc = {'a', 'b', 'c'};
    crypto_generichash(hash.data(), hash.size(), abc.data(), abc.size(), nullptr, 0);
    CHECK(to_hex(hash) == "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
                          "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923");
}

TEST_CASE("crypto_kdf gives the published subkeys of its own test") {
    Bytes<32> master;
    std::iota(master.begin(), master.end(), std::uint8_t{0});
    const char* expected[] = {"a0c724404728c8bb95e5433eb6a9716171144d61efb23e74b873fcbeda51d807"
                              "1b5d70aae12066dfc94ce943f145aa176c055040c3dd73b0a15e36254d450614",
                              "02507f144fa9bf19010bf7c70b235b4c2663cc00e074f929602a5e2c10a78075"
                              "7d2a3993d06debc378a90efdac196dd841817b977d67b786804f6d3cd585bab5"};
    for (std::uint64_t i = 0; i < std::size(expected); ++i) {
        Bytes<64> subkey;
        crypto_kdf_derive_from_key(subkey.data(), subkey.size(), i, "KDF test", master.data());
        CHECK(to_hex(subkey) == expected[i]);
    }
}

TEST_CASE("HMAC-SHA-256 is that of RFC 4231, test case 2") {
    const std::string key = "Jefe", data = "what do ya want for nothing?";
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, reinterpret_cast<const unsigned char*>(key.data()), key.size());
    crypto_auth_hmacsha256_update(&state, reinterpret_cast<const unsigned char*>(data.data()), data.size());
    Bytes<32> mac;
    crypto_auth_hmacsha256_final(&state, mac.data());
    CHECK(to_hex(mac) == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST_CASE("keys.txt: credential keys, slot keys and service ids") {
    Secret<CredentialKeys> keys;
    unsigned slots = 0, services = 0;
    for (const auto& block : test::read_vectors("keys.txt")) {
        if (block.count("credential")) {
            derive_keys(*keys, bytes<32>(block, "credential"), bytes<16>(block, "server"), bytes<8>(block, "id"));
            CHECK(keys->gate == bytes<32>(block, "gate"));
            CHECK(keys->seal == bytes<32>(block, "seal"));
            CHECK(keys->nonce == bytes<32>(block, "nonce"));
        } else if (block.count("slot")) {
            ++slots;
            const Slot slot = number(block, "slot");
            CHECK(gate_keys(keys->gate, slot).tag == bytes<8>(block, "tag"));
            CHECK(gate_keys(keys->gate, slot).mac_key == bytes<16>(block, "mac_key"));
            CHECK(seal_key(keys->seal, slot) == bytes<32>(block, "box_key"));
        } else {
            ++services;
            CHECK(service_id(block.at("service")) == number(block, "service_id"));
        }
    }
    CHECK(slots == 5);
    CHECK(services == 5);
}

TEST_CASE("otp.txt: the tables of RFC 4226 and RFC 6238") {
    unsigned codes = 0;
    for (const auto& block : test::read_vectors("otp.txt")) {
        const auto digits = static_cast<unsigned>(number(block, "digits"));
        CHECK(totp_code(bytes<20>(block, "secret"), number(block, "step"), digits) == block.at("code"));
        ++codes;
    }
    CHECK(codes == 16);
}

TEST_CASE("packets.txt: whole packets, both ways") {
    unsigned packets = 0;
    for (const auto& block : test::read_vectors("packets.txt")) {
        ++packets;
        Secret<CredentialKeys> keys;
        const auto server = bytes<16>(block, "server");
        derive_keys(*keys, bytes<32>(block, "credential"), server, bytes<8>(block, "credential_id"));
        const Request request = request_of(block);
        const Slot slot = number(block, "slot");
        const auto nonce = bytes<24>(block, "nonce");
        const auto expected = bytes<192>(block, "packet");
        CHECK(slot == slot_of(request.clock));
        const RequestBytes encoded = encode_request(request);
        CHECK(encoded == bytes<136>(block, "request"));
        CHECK(seal_packet(*keys, slot, nonce, encoded) == expected);

        CHECK(mac_matches(gate_keys(keys->gate, slot).mac_key, expected));
        const auto opened = open_box(keys->seal, slot, expected);
        REQUIRE(opened.has_value());
        const auto decoded = decode_request(*opened);
        REQUIRE(std::holds_alternative<Request>(decoded));
        CHECK(std::get<Request>(decoded) == request);
        if (request.factor == FactorKind::hmac)
            CHECK(hmac_matches(bytes<32>(block, "hmac_key"),
                               signed_message(server, packet_tag(expected), nonce, *opened), request.proof));
    }
    CHECK(packets == 10);
}
