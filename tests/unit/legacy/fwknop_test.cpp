// SPDX-License-Identifier: MIT
//
// Packets of fwknop that no client makes. Those of clients are in vectors_test.cpp.
#include "daemon/legacy/text.h"
#include "tests/unit/legacy/old_clients.h"

#include <doctest/doctest.h>

#include <set>

using namespace xk;
using namespace xk::legacy;
using namespace xk::legacy::test;

namespace {

const std::string kHead = "1234567890123456:YWxpY2U:1700000000:3.0.0:";
const std::string kMessage = "MjAzLjAuMTEzLjksdGNwLzIy"; // 203.0.113.9,tcp/22
const std::string kFields = kHead + "1:" + kMessage;

std::variant<FwknopPacket, FwknopFault> decode(std::string_view wire, const FwknopUser& user = {}) {
    return decode_fwknop(bytes_of(wire), user.keys());
}

// "accepted", or the fault's name.
std::string verdict(std::string_view wire, const FwknopUser& user = {}) {
    const auto result = decode(wire, user);
    const auto* const fault = std::get_if<FwknopFault>(&result);
    return fault == nullptr ? "accepted" : std::string(name_of(*fault));
}

std::string verdict_of_fields(std::string_view fields) { return verdict(fwknop_wire(fields)); }

std::string verdict_of_message(std::string_view message) {
    return verdict_of_fields(kHead + "1:" + unpadded_base64(bytes_of(message)));
}

std::string verdict_of_user(std::string_view name) {
    return verdict_of_fields("1234567890123456:" + unpadded_base64(bytes_of(name)) + ":1700000000:3.0.0:1:" + kMessage);
}

std::string verdict_of_time(std::string_view time) {
    return verdict_of_fields("1234567890123456:YWxpY2U:" + std::string(time) + ":3.0.0:1:" + kMessage);
}

std::string verdict_of_timeout(std::string_view timeout) {
    return verdict_of_fields(kHead + "3:" + kMessage + ":" + std::string(timeout));
}

// The same bits but for the unused ones of the last character.
std::string with_unused_bit(std::string text) {
    constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    text.back() = kAlphabet[kAlphabet.find(text.back()) ^ 1];
    return text;
}

} // namespace

TEST_CASE("all fields of a packet are read") {
    const std::string wire =
        fwknop_wire(kHead + "3:" + unpadded_base64(bytes_of("203.0.113.9,tcp/22,udp/53,tcp/65535")) + ":7");
    const auto packet = std::get<FwknopPacket>(decode(wire));
    CHECK(packet.address == Address::v4(203, 0, 113, 9));
    REQUIRE(packet.endpoints().size() == 3);
    CHECK(packet.endpoints()[0] == Endpoint{IpProtocol::tcp, 22});
    CHECK(packet.endpoints()[1] == Endpoint{IpProtocol::udp, 53});
    CHECK(packet.endpoints()[2] == Endpoint{IpProtocol::tcp, 65535});
    CHECK(packet.made == WallTime(std::chrono::seconds(1'700'000'000)));
    CHECK(packet.timeout == 7);
    CHECK(packet.user == "alice");
    Bytes<32> hash;
    crypto_hash_sha256(hash.data(), bytes_of(wire).data(), wire.size());
    CHECK(packet.replay_id == hash);
}

TEST_CASE("0.0.0.0 stands for the packet's source") {
    const auto result = decode(fwknop_wire(kHead + "1:" + unpadded_base64(bytes_of("0.0.0.0,tcp/22"))));
    CHECK_FALSE(std::get<FwknopPacket>(result).address.has_value());
}

TEST_CASE("a packet that is cut off anywhere, or goes on, is refused") {
    const std::string wire = fwknop_wire(kFields);
    REQUIRE(verdict(wire) == "accepted");
    for (std::size_t size = 0; size < wire.size(); ++size)
        CHECK(verdict(std::string_view(wire).substr(0, size)) == (size < kFewestFwknop ? "length" : "hmac"));
    for (std::size_t size = 1; size < wire.size(); ++size) // without its front
        CHECK(verdict(std::string_view(wire).substr(size)) != "accepted");
    CHECK(verdict(wire + "A") == "hmac");
    CHECK(verdict(wire + "=") == "alphabet");
    CHECK(verdict(wire + '\n') == "alphabet");
    CHECK(verdict(wire + '\0') == "alphabet");
    CHECK(verdict(std::string(kMostFwknop, '8')) == "hmac");
    CHECK(verdict(std::string(kMostFwknop + 1, '8')) == "length");
    CHECK(verdict(std::string(100'000, '8')) == "length");
}

TEST_CASE("a packet with any bit flipped is refused, with each kind of HMAC") {
    for (const Hash hash : kHashes) {
        FwknopUser user;
        user.hash = hash;
        const std::string wire = fwknop_wire(kFields, user);
        REQUIRE(verdict(wire, user) == "accepted");
        for (std::size_t bit = 0; bit < 8 * wire.size(); ++bit) {
            std::string changed = wire;
            changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
            const std::string why = verdict(changed, user);
            CHECK_MESSAGE((why == "hmac" || why == "alphabet" || (bit < 8 && why == "prefix")), bit, " ", why);
        }
    }
}

TEST_CASE("a packet has one form only") {
    const FwknopUser user;
    const std::string wire = fwknop_wire(kFields, user);
    CHECK(verdict(with_unused_bit(wire)) == "hmac");
    // A user with the right key could make twins of the ciphertext too.
    std::set<std::size_t> rests;
    for (std::size_t more = 0; more < 48; more += 16) {
        const std::string text = encrypted(with_digest(kFields) + std::string(more, 'x'), user);
        rests.insert(text.size() % 4);
        if (text.size() % 4 != 0)
            CHECK(verdict(signed_wire(with_unused_bit(text), user)) == "encoding");
        CHECK(verdict(signed_wire(text + "B", user)) != "accepted");
        CHECK(verdict(signed_wire(text.substr(0, text.size() - 1), user)) != "accepted");
    }
    CHECK(rests == std::set<std::size_t>{0, 2, 3});
    CHECK(verdict_of_fields("1234567890123456:" + with_unused_bit("YWxpY2U") + ":1700000000:3.0.0:1:" + kMessage) ==
          "user");
    CHECK(verdict_of_message("203.0.113.9,tcp/2") == "accepted");
    CHECK(verdict_of_fields(kHead + "1:" + with_unused_bit(unpadded_base64(bytes_of("203.0.113.9,tcp/2")))) ==
          "message");
    CHECK(verdict_of_fields(kHead + "1:" + unpadded_base64(bytes_of("203.0.113.9,tcp/2")) + "=") == "message");
    CHECK(verdict(signed_wire(encrypted(with_unused_bit(with_digest(kFields)), user), user)) == "digest");
}

TEST_CASE("the first ten characters of the ciphertext stay off the wire") {
    const std::string wire = fwknop_wire(kFields);
    CHECK(verdict("U2FsdGVkX1" + wire) == "prefix");
    // The next character has four bits of "Salted__": with others it is another file format.
    FwknopUser user;
    std::string text = encrypted(with_digest(kFields), user);
    text[10] = 'A';
    CHECK(verdict(signed_wire(text, user), user) == "prefix");
}

TEST_CASE("keys of other sizes than fwknop's are refused, and no packet passes without an HMAC key") {
    for (const std::size_t size : {0u, 33u}) {
        FwknopUser user;
        const std::string wire = fwknop_wire(kFields, user);
        user.key.resize(size, 0x20);
        CHECK(verdict(wire, user) == "keys");
    }
    for (const std::size_t size : {0u, 129u}) {
        FwknopUser user;
        user.hmac_key.resize(size);
        CHECK(verdict(fwknop_wire(kFields, user), user) == "keys");
    }
    for (const std::size_t size : {1u, 64u, 65u, 128u}) {
        FwknopUser user;
        user.key.resize(std::min<std::size_t>(size, 32));
        user.hmac_key.resize(size);
        CHECK(verdict(fwknop_wire(kFields, user), user) == "accepted");
    }
}

TEST_CASE("another key of the user is found out behind the HMAC") {
    FwknopUser user, other;
    other.key[31] ^= 1;
    const std::string wire = signed_wire(encrypted(with_digest(kFields), other), user);
    CHECK(verdict(wire, user) != "accepted");
    CHECK(verdict(wire, other) == "accepted");
}

TEST_CASE("the ciphertext is whole blocks with right padding") {
    const FwknopUser user;
    const std::string plain = with_digest(kFields);
    std::string text = encrypted(plain, user);
    // One byte less or more, in canonical base64.
    Buffer blob(text.size());
    blob.resize(*decode_base64(text, Base64::unpadded, blob));
    for (const int change : {-1, 1}) {
        Buffer other = blob;
        other.resize(static_cast<std::size_t>(static_cast<int>(blob.size()) + change));
        CHECK(verdict(signed_wire(unpadded_base64(other), user)) == "blocks");
    }
    std::string unpadded = plain;
    unpadded.resize((plain.size() / 16 + 1) * 16, '\0'); // the last byte is 0, which is no padding
    CHECK(verdict(signed_wire(encrypted(unpadded, user, false), user)) == "decryption");
    unpadded.back() = 17;
    CHECK(verdict(signed_wire(encrypted(unpadded, user, false), user)) == "decryption");
    // A plaintext of padding alone.
    FwknopUser long_hmac;
    long_hmac.hash = Hash::sha512;
    const std::string blank(48, '\x10');
    CHECK(verdict(signed_wire(encrypted(blank, long_hmac, false), long_hmac), long_hmac) != "accepted");
}

TEST_CASE("the digest covers all fields, and its length says its kind") {
    const FwknopUser user;
    for (const Hash hash : kHashes)
        CHECK(verdict(signed_wire(encrypted(with_digest(kFields, hash), user), user)) == "accepted");
    std::string plain = with_digest(kFields);
    plain[0] = '2';
    CHECK(verdict(signed_wire(encrypted(plain, user), user)) == "digest");
    CHECK(verdict(signed_wire(encrypted(kFields + ":" + std::string(43, 'A'), user), user)) == "digest");
    CHECK(verdict(signed_wire(encrypted(with_digest(kFields) + "A", user), user)) == "digest");
    CHECK(verdict(signed_wire(encrypted(kFields + ":" + std::string(30, ' '), user), user)) == "digest");
}

TEST_CASE("the number of fields is that of the type") {
    CHECK(verdict(signed_wire(encrypted(std::string(100, 'x'), {}), {})) == "fields"); // no colon
    CHECK(verdict_of_fields(std::string(100, 'x')) == "fields");
    CHECK(verdict_of_fields(kHead + "1" + std::string(50, '0')) == "fields"); // no message
    CHECK(verdict_of_fields(kFields + ":eA:MA:MA") == "fields");
    CHECK(verdict_of_fields(kFields + ":eA:MA:MA:MA") == "fields");
    CHECK(verdict_of_fields(kFields + std::string(200, ':')) == "fields");
    CHECK(verdict_of_fields(kFields + ":eA:30") == "fields");
    CHECK(verdict_of_fields(kHead + "3:" + kMessage + ":eA:MA:30") == "fields");
    CHECK(verdict_of_fields(kHead + "3:" + kMessage) == "timeout");
}

TEST_CASE("a server authentication is refused, with and without time-out") {
    CHECK(verdict_of_fields(kFields + ":Y3J5cHQsc2VjcmV0") == "server_auth");
    CHECK(verdict_of_fields(kFields + ":") == "server_auth");
    CHECK(verdict_of_fields(kHead + "3:" + kMessage + ":Y3J5cHQsc2VjcmV0:30") == "server_auth");
}

TEST_CASE("the random value is sixteen digits") {
    for (const char* random : {"", "123456789012345", "12345678901234567", "123456789012345a", "-123456789012345"})
        CHECK(verdict_of_fields(std::string(random) + kHead.substr(16) + "1:" + kMessage) == "random");
}

TEST_CASE("a user's name has the characters that libfko allows") {
    CHECK(verdict_of_user("a b-c.d_e@f~") == "accepted");
    CHECK(verdict_of_user(std::string(48, 'u')) == "accepted");
    CHECK(verdict_of_user(std::string(49, 'u')) == "user");
    CHECK(verdict_of_user("") == "user");
    for (const char c : std::string_view("\"/\\[]:;|=,+*?<>\n\x7f\x80\xff\0", 20))
        CHECK(verdict_of_user(std::string("ab") + c) == "user");
}

TEST_CASE("the time is a number of up to twelve digits") {
    CHECK(verdict_of_time("0") == "accepted");
    CHECK(verdict_of_time("999999999999") == "accepted");
    for (const char* time : {"", "-1", "+1", " 1", "1.0", "0x1", "1700000000000"})
        CHECK(verdict_of_time(time) == "time");
}

TEST_CASE("any version of up to eight characters is accepted") {
    const std::string rest = ":1:" + kMessage, front = "1234567890123456:YWxpY2U:1700000000:";
    CHECK(verdict_of_fields(front + "2.5" + rest) == "accepted");
    CHECK(verdict_of_fields(front + "12345678" + rest) == "accepted");
    CHECK(verdict_of_fields(front + "123456789" + rest) == "version");
    CHECK(verdict_of_fields(front + rest) == "version");
}

TEST_CASE("commands and NAT have a reason of their own") {
    for (const char* type : {"0", "2", "4", "5", "6"}) {
        CHECK(verdict_of_fields(kHead + type + ":" + kMessage) == "unsupported_type");
        CHECK(verdict_of_fields(kHead + type + ":" + kMessage + ":MTAuMC4wLjUsMjI") == "unsupported_type");
    }
    for (const char* type : {"", "7", "9", "10", "01", "-1", " 1", "a"})
        CHECK(verdict_of_fields(kHead + type + ":" + kMessage) == "type");
}

TEST_CASE("a time-out is 0 to 65536 seconds") {
    CHECK(verdict_of_timeout("0") == "accepted");
    CHECK(verdict_of_timeout("65536") == "accepted");
    for (const char* timeout : {"", "65537", "99999", "100000", "30s", "-1", " 30", "4294967296"})
        CHECK(verdict_of_timeout(timeout) == "timeout");
}

TEST_CASE("the message is one IPv4 address, a comma and more") {
    CHECK(verdict_of_message("") == "message");
    CHECK(verdict_of_message("203.0.113.9") == "message");
    CHECK(verdict_of_fields(kHead + "1:" + std::string(257, 'A')) == "message");
    for (const char* address : {"", "203.0.113", "300.0.113.9", "203.0.113.09", "203.0.113.9 ", "2001:db8::1",
                                "::ffff:203.0.113.9", "0x7f.0.0.1", "localhost"})
        CHECK(verdict_of_message(std::string(address) + ",tcp/22") == "address");
    CHECK(verdict_of_message(std::string("203.0.113.9\0,tcp/22", 19)) == "address");
}

TEST_CASE("every access element is read") {
    for (const char* list : {"",
                             "tcp",
                             "tcp/",
                             "tcp22",
                             "tcp/0",
                             "tcp/65536",
                             "tcp/000022",
                             "tcp/-1",
                             "tcp/22 ",
                             "tcp/2a",
                             "TCP/22",
                             "icmp/8",
                             "sctp/22",
                             "none/0",
                             "/22",
                             "tcp/22,",
                             ",tcp/22",
                             "tcp/22,,udp/53",
                             "tcp/22,icmp/8",
                             "tcp/22,icmp/8,udp/53",
                             "tcp/22;udp/53",
                             "tcp/22-23"})
        CHECK_MESSAGE(verdict_of_message("203.0.113.9," + std::string(list)) == "endpoint", list);
    std::string message = "0.0.0.0"; // the longest list that a message has room for
    for (std::size_t i = 0; i < kMostFwknopEndpoints; ++i)
        message += ",tcp/" + std::to_string(1 + i % 9);
    const auto packet = decode(fwknop_wire(kHead + "1:" + unpadded_base64(bytes_of(message))));
    REQUIRE(std::holds_alternative<FwknopPacket>(packet));
    CHECK(std::get<FwknopPacket>(packet).endpoints().size() == kMostFwknopEndpoints);
    CHECK(verdict_of_message(message + ",tcp/1") == "message");
}

TEST_CASE("each fault of fwknop has one name") {
    std::set<std::string_view> names;
    for (std::size_t i = 0; i < kFwknopFaults; ++i)
        names.insert(name_of(static_cast<FwknopFault>(i)));
    CHECK(names.size() == kFwknopFaults);
    CHECK_FALSE(names.contains("unknown"));
    CHECK(name_of(static_cast<FwknopFault>(kFwknopFaults)) == "unknown");
}
