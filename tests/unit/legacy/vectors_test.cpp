// SPDX-License-Identifier: MIT
//
// The packets of tests/vectors: of unmodified clients, and of independent encoders.
#include "daemon/legacy/text.h"
#include "protocol/encoding.h"
#include "tests/unit/legacy/old_clients.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <cstdlib>
#include <fstream>
#include <map>

using namespace xk;
using namespace xk::legacy;
using namespace std::chrono_literals;
using nlohmann::json;
using test::Buffer;

namespace {

json read_vectors(const char* file) {
    std::ifstream in(std::string(XK_VECTORS) + "/" + file);
    REQUIRE(in.good());
    return json::parse(in);
}

Buffer decoded(const std::string& base64) {
    Buffer out(base64.size());
    const auto size = sodium_base64_VARIANT_ORIGINAL;
    std::size_t length = 0;
    REQUIRE(sodium_base642bin(out.data(), out.size(), base64.data(), base64.size(), nullptr, &length, nullptr, size) ==
            0);
    out.resize(length);
    return out;
}

Hash hash_named(const std::string& name) {
    static const std::map<std::string, Hash> kNames = {
        {"md5", Hash::md5},       {"sha1", Hash::sha1},         {"sha256", Hash::sha256},    {"sha384", Hash::sha384},
        {"sha512", Hash::sha512}, {"sha3_256", Hash::sha3_256}, {"sha3_512", Hash::sha3_512}};
    return kNames.at(name);
}

test::FwknopUser user_of(const json& vector) {
    test::FwknopUser user;
    user.key = decoded(vector.at("key_base64"));
    if (vector.at("hmac_type").is_null()) // the packet without HMAC
        return user;
    user.hmac_key = decoded(vector.at("hmac_key_base64"));
    user.hash = hash_named(vector.at("hmac_type"));
    return user;
}

std::string message_of(const FwknopPacket& packet) {
    std::string text = packet.address ? packet.address->text() : "0.0.0.0";
    for (const Endpoint& endpoint : packet.endpoints())
        text += "," + endpoint.text();
    return text;
}

// The packets that are refused, and why. Age is the caller's: what is too old or too new is decoded.
const std::map<std::string, FwknopFault> kFwknopRefused = {
    {"nat-access", FwknopFault::unsupported_type},
    {"nat-access-timeout", FwknopFault::unsupported_type},
    {"local-nat", FwknopFault::unsupported_type},
    {"local-nat-timeout", FwknopFault::unsupported_type},
    {"command", FwknopFault::unsupported_type},
    {"no-hmac", FwknopFault::hmac},
    {"prefix-not-cut", FwknopFault::prefix},
    {"bad-hmac-last-bits", FwknopFault::hmac},
    {"hmac-one-bit", FwknopFault::hmac},
    {"ciphertext-one-char", FwknopFault::hmac},
    {"wrong-digest", FwknopFault::digest},
    {"bad-padding", FwknopFault::decryption},
    {"rand-15-digits", FwknopFault::random},
    {"rand-letters", FwknopFault::random},
    {"time-13-digits", FwknopFault::time},
    {"type-7", FwknopFault::type},
    {"ipv6-in-message", FwknopFault::address},
    {"ip-300", FwknopFault::address},
    {"no-port", FwknopFault::endpoint},
    {"no-comma", FwknopFault::message},
    {"port-0", FwknopFault::endpoint},
    {"port-65536", FwknopFault::endpoint},
    {"proto-icmp", FwknopFault::endpoint},
    {"user-with-colon", FwknopFault::user},
    {"user-49-bytes", FwknopFault::user},
    {"server-auth", FwknopFault::server_auth},
    {"type-1-two-extra-fields", FwknopFault::fields},
    {"type-3-no-timeout", FwknopFault::timeout},
    {"type-3-timeout-65537", FwknopFault::timeout},
    {"type-3-timeout-letters", FwknopFault::timeout},
    {"wrong-key", FwknopFault::decryption},
    {"newline-at-end", FwknopFault::alphabet},
};

void check_fields(const FwknopPacket& packet, const json& fields) {
    CHECK(packet.user == fields.at("user").get<std::string>());
    CHECK(packet.made == WallTime(std::chrono::seconds(fields.at("time").get<std::int64_t>())));
    CHECK(message_of(packet) == fields.at("message").get<std::string>());
    CHECK(packet.timeout == fields.value("timeout", 0u));
}

const std::map<std::string, CapyknockFault> kCapyknockRefused = {{"myip-shell", CapyknockFault::address},
                                                                 {"plaintext-501", CapyknockFault::plain_length},
                                                                 {"hmac-flipped", CapyknockFault::hmac},
                                                                 {"empty-name", CapyknockFault::name}};

test::CapyknockKey key_of(const json& vector) {
    std::string text = vector.at("udpkey");
    test::CapyknockKey key;
    REQUIRE(decode_base64(text, Base64::url_padded, key) == key.size());
    return key;
}

} // namespace

TEST_CASE("fwknop.json: each packet of the unmodified client and each crafted one has its verdict") {
    const json vectors = read_vectors("fwknop.json");
    std::size_t refused = 0, accepted = 0;
    for (const char* list : {"packets", "crafted"}) {
        for (const json& vector : vectors.at(list)) {
            const std::string name = vector.at("name"), wire = vector.at("wire"), expect = vector.at("expect");
            CAPTURE(name);
            const test::FwknopUser user = user_of(vector);
            const auto result = decode_fwknop(bytes_of(wire), user.keys());
            if (const auto fault = kFwknopRefused.find(name); fault != kFwknopRefused.end()) {
                ++refused;
                REQUIRE(std::holds_alternative<FwknopFault>(result));
                CHECK(name_of(std::get<FwknopFault>(result)) == name_of(fault->second));
                continue;
            }
            ++accepted;
            REQUIRE(std::holds_alternative<FwknopPacket>(result));
            const auto& packet = std::get<FwknopPacket>(result);
            const bool in_time = std::chrono::abs(packet.made - WallTime(1'700'000'000s)) <= 120s;
            CHECK(in_time == !expect.starts_with("refuse"));
            if (vector.contains("fields"))
                check_fields(packet, vector.at("fields"));
            else
                CHECK(message_of(packet) == "203.0.113.9,tcp/22");
        }
    }
    CHECK(refused == kFwknopRefused.size());
    CHECK(refused + accepted == 22 + 34);
}

TEST_CASE("fwknop.json: a packet is no other user's, and no other kind of HMAC's") {
    const json vectors = read_vectors("fwknop.json").at("packets");
    for (const json& vector : vectors) {
        const std::string name = vector.at("name"), wire = vector.at("wire");
        if (kFwknopRefused.contains(name))
            continue;
        CAPTURE(name);
        test::FwknopUser user = user_of(vector);
        const Hash right = user.hash;
        for (const Hash hash : kHashes) {
            user.hash = hash;
            CHECK(std::holds_alternative<FwknopPacket>(decode_fwknop(bytes_of(wire), user.keys())) == (hash == right));
        }
        user.hash = right;
        user.hmac_key.back() ^= 1;
        CHECK(std::get<FwknopFault>(decode_fwknop(bytes_of(wire), user.keys())) == FwknopFault::hmac);
    }
}

TEST_CASE("fwknop.json: key and IV are derived as the client derives them") {
    std::size_t seen = 0;
    const json vectors = read_vectors("fwknop.json").at("packets");
    for (const json& vector : vectors) {
        const std::string wire = vector.at("wire"), text = "U2FsdGVkX1" + wire.substr(0, 14); // 8 + 8 bytes, and 2
        Bytes<18> blob;
        REQUIRE(decode_base64(text, Base64::unpadded, blob) == blob.size());
        AesKey derived;
        const std::span<const std::uint8_t, 18> view(blob);
        REQUIRE(derive_aes_key(decoded(vector.at("key_base64")), field<8, 8>(view), derived));
        CHECK(to_hex(derived.key) == vector.at("aes_key_hex").get<std::string>());
        CHECK(to_hex(derived.iv) == vector.at("iv_hex").get<std::string>());
        ++seen;
    }
    CHECK(seen == 22);
}

TEST_CASE("capyknock.json: each packet has its verdict") {
    std::size_t refused = 0, accepted = 0;
    const json vectors = read_vectors("capyknock.json").at("vectors");
    for (const json& vector : vectors) {
        const std::string name = vector.at("name"), wire = vector.at("wire"), token = vector.at("token");
        CAPTURE(name);
        const auto envelope = read_capyknock_envelope(bytes_of(wire));
        if (name == "empty-name") {
            ++refused;
            CHECK(std::get<CapyknockFault>(envelope) == CapyknockFault::name);
            continue;
        }
        REQUIRE(std::holds_alternative<CapyknockEnvelope>(envelope));
        CHECK(std::get<CapyknockEnvelope>(envelope).name == vector.at("username").get<std::string>());
        CHECK(std::get<CapyknockEnvelope>(envelope).token == token);
        const auto result = decode_capyknock(token, key_of(vector));
        if (const auto fault = kCapyknockRefused.find(name); fault != kCapyknockRefused.end()) {
            ++refused;
            REQUIRE(std::holds_alternative<CapyknockFault>(result));
            CHECK(name_of(std::get<CapyknockFault>(result)) == name_of(fault->second));
            continue;
        }
        ++accepted;
        REQUIRE(std::holds_alternative<CapyknockRequest>(result));
        const auto& request = std::get<CapyknockRequest>(result);
        // Code and target are compared by the caller, who knows the user's.
        const std::string right_code = vector.at("totp_valid_at_now");
        const bool has_code = request.code == *totp_proof(right_code, 6);
        CHECK(has_code == (name != "wrong-code" && name != "code-of-previous-slot"));
        CHECK((request.target == Address::v4(192, 0, 2, 1)) == (name != "wrong-target"));
        CHECK((request.port == 22) == (name != "wrong-port"));
        CHECK(request.token_time == vector.at("fernet_time").get<std::uint64_t>());
        const std::optional<Address> asked = name == "myip-given" ? Address::v4(198, 51, 100, 7)
                                             : name == "myip-v6"  ? Address::parse("2001:db8::7").value()
                                                                  : std::optional<Address>{};
        CHECK(request.address == asked);
    }
    CHECK(refused == kCapyknockRefused.size());
    CHECK(refused + accepted == 22);
}

TEST_CASE("capyknock.json: the token of the specification's page") {
    const json vector = read_vectors("capyknock.json").at("page_vector");
    const std::string token = vector.at("token");
    const auto result = decode_capyknock(token, key_of(vector));
    REQUIRE(std::holds_alternative<CapyknockRequest>(result));
    CHECK(std::get<CapyknockRequest>(result).code == *totp_proof("123456", 6));
}
