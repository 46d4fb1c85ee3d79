// SPDX-License-Identifier: MIT
//
// The host's configuration of libcrypto has no say, and no key stays in memory.
#include "daemon/legacy/text.h"
#include "tests/unit/legacy/old_clients.h"
#include "tests/unit/recording/left_behind.h"

#include <doctest/doctest.h>
#include <openssl/err.h>

#include <cstdlib>

using namespace xk;
using namespace xk::legacy;
using namespace xk::legacy::test;
using xk::test::leaves_behind;

namespace {

// Before the first call of libcrypto in this program.
const bool kSet = ::setenv("OPENSSL_CONF", XK_OPENSSL_CONF, 1) == 0;

const std::string kFields = "1234567890123456:YWxpY2U:1700000000:3.0.0:1:MjAzLjAuMTEzLjksdGNwLzIy";
const std::string kPlain = R"({"otpcode": "072814", "trgsrvip": "192.0.2.1", "trgsrvport": "22", "myip": ""})";

FwknopUser named_user() {
    FwknopUser user;
    for (std::size_t i = 0; i < user.key.size(); ++i)
        user.key[i] = static_cast<std::uint8_t>(0x61 + i);
    for (std::size_t i = 0; i < user.hmac_key.size(); ++i)
        user.hmac_key[i] = static_cast<std::uint8_t>(0x81 + i);
    return user;
}

} // namespace

TEST_CASE("the host's openssl.cnf forbids nothing that an old client needs") {
    REQUIRE(kSet);
    for (const Hash hash : kHashes) {
        Bytes<kMostHash> out{};
        CHECK(compute_hash(hash, {}, out));
        CHECK(compute_hmac(hash, out, {}, out));
    }
    CHECK(std::holds_alternative<FwknopPacket>(decode_fwknop(bytes_of(fwknop_wire(kFields)), FwknopUser().keys())));
}

TEST_CASE("a packet that is refused leaves no error to the next caller of libcrypto") {
    const FwknopUser user;
    const std::string wire = signed_wire(encrypted(std::string(96, 'x'), user, false), user);
    CHECK(std::get<FwknopFault>(decode_fwknop(bytes_of(wire), user.keys())) == FwknopFault::decryption);
    CHECK(::ERR_peek_error() == 0);
}

TEST_CASE("ciphertext is decrypted only into enough room, with a key of AES") {
    const Bytes<16> iv{};
    Bytes<32> out{};
    CHECK_FALSE(decrypt_aes(Bytes<32>{}, iv, Bytes<32>{}, std::span(out).first(31)).has_value());
    CHECK_FALSE(decrypt_aes(Bytes<24>{}, iv, Bytes<32>{}, out).has_value());
    CHECK_FALSE(decrypt_aes(Bytes<32>{}, iv, {}, out).has_value());
    CHECK_FALSE(decrypt_aes(Bytes<32>{}, iv, Bytes<31>{}, out).has_value());
    const Buffer ciphertext = encrypt(Bytes<32>{}, iv, bytes_of("0123456789abcdef"));
    REQUIRE(ciphertext.size() == 32);
    CHECK(decrypt_aes(Bytes<32>{}, iv, ciphertext, out) == 16);
}

TEST_CASE("no key, right HMAC or plaintext stays in memory where a packet of fwknop is decoded") {
    const FwknopUser user = named_user();
    const std::string plain = with_digest(kFields), text = encrypted(plain, user);
    std::string wire = signed_wire(text, user);
    const std::string hmac = wire.substr(wire.size() - 43);
    AesKey derived;
    REQUIRE(derive_aes_key(user.key, Bytes<8>{1, 2, 3, 4, 5, 6, 7, 8}, derived));
    std::size_t accepted = 0;
    const auto decode = [&] {
        accepted += std::holds_alternative<FwknopPacket>(decode_fwknop(bytes_of(wire), user.keys())) ? 1U : 0U;
    };
    for (const ByteView secret : {ByteView(user.key), ByteView(user.hmac_key), ByteView(derived.key),
                                  bytes_of(plain).first(40), bytes_of(plain).last(40)})
        CHECK_FALSE(leaves_behind(secret, decode));
    CHECK(accepted == 5);
    // Refused right behind the decryption, so that nothing is written over what it left.
    wire = signed_wire(encrypted(std::string(96, 'x'), user, false), user);
    CHECK_FALSE(leaves_behind(derived.key, decode));
    CHECK_FALSE(leaves_behind(bytes_of(std::string(40, 'x')), decode));
    wire = signed_wire(text, user);
    wire.back() = wire.back() == 'A' ? 'E' : 'A';
    CHECK_FALSE(leaves_behind(bytes_of(hmac), decode)); // the right answer to a wrong one
    CHECK(accepted == 5);
}

TEST_CASE("no key or right HMAC stays in memory where a token of capyknock is opened") {
    CapyknockKey key;
    for (std::size_t i = 0; i < key.size(); ++i)
        key[i] = static_cast<std::uint8_t>(0x41 + i);
    std::string token = fernet_token(kPlain, key);
    Buffer bytes(token.size());
    bytes.resize(*decode_base64(token, Base64::url_padded, bytes));
    const Buffer hmac(bytes.end() - 32, bytes.end());
    std::size_t accepted = 0;
    const auto decode = [&] {
        accepted += std::holds_alternative<CapyknockRequest>(decode_capyknock(token, key)) ? 1U : 0U;
    };
    for (const ByteView secret : {ByteView(key).first(16), ByteView(key).last(16), bytes_of(kPlain).first(40)})
        CHECK_FALSE(leaves_behind(secret, decode));
    CHECK(accepted == 3);
    bytes.back() ^= 1;
    token = url_base64(bytes);
    CHECK_FALSE(leaves_behind(hmac, decode));
    CHECK(accepted == 3);
}
