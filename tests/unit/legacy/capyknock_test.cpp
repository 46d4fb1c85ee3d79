// SPDX-License-Identifier: MIT
//
// Packets of capyknock that no client makes, and the choices where the original disagrees with itself. Those of the
// client are in vectors_test.cpp.
#include "daemon/legacy/text.h"
#include "tests/unit/legacy/old_clients.h"

#include <doctest/doctest.h>

#include <set>

using namespace xk;
using namespace xk::legacy;
using namespace xk::legacy::test;

namespace {

const CapyknockKey kKey = {1, 2, 3};
const std::string kPlain =
    R"({"otpcode": "072814", "trgsrvip": "192.0.2.1", "trgsrvport": "22", "myip": "", "hash": ""})";

std::string verdict_of_token(std::string_view token, const CapyknockKey& key = kKey) {
    const auto result = decode_capyknock(token, key);
    const auto* const fault = std::get_if<CapyknockFault>(&result);
    return fault == nullptr ? "accepted" : std::string(name_of(*fault));
}

std::string verdict_of_plain(std::string_view plain) { return verdict_of_token(fernet_token(plain, kKey)); }

std::string verdict_of_envelope(std::string_view wire) {
    const auto result = read_capyknock_envelope(bytes_of(wire));
    const auto* const fault = std::get_if<CapyknockFault>(&result);
    return fault == nullptr ? "accepted" : std::string(name_of(*fault));
}

// The plaintext with one member's value in JSON.
std::string plain_with(std::string_view name, std::string_view value) {
    std::string out = "{";
    for (const auto& [member, usual] : {std::pair<std::string_view, std::string_view>{"otpcode", "\"072814\""},
                                        {"trgsrvip", "\"192.0.2.1\""},
                                        {"trgsrvport", "\"22\""},
                                        {"myip", "\"\""}}) {
        const std::string_view text = member == name ? value : usual;
        if (!text.empty())
            out += (out == "{" ? "\"" : ",\"") + std::string(member) + "\":" + std::string(text);
    }
    return out + "}";
}

CapyknockRequest request_with(std::string_view name, std::string_view value) {
    const auto result = decode_capyknock(fernet_token(plain_with(name, value), kKey), kKey);
    REQUIRE(std::holds_alternative<CapyknockRequest>(result));
    return std::get<CapyknockRequest>(result);
}

// Text that no field of any kind accepts.
constexpr const char* kOtherValues[] = {"",    "null",     "true",           "[]", "{}", "-1",
                                        "1.5", "[\"22\"]", "{\"a\":\"22\"}", "1e2"};

} // namespace

TEST_CASE("all fields of a request are read") {
    const std::string token = fernet_token(plain_with("myip", "\"198.51.100.7\""), kKey, 0x0102030405060708);
    const auto request = std::get<CapyknockRequest>(decode_capyknock(token, kKey));
    CHECK(request.code == *totp_proof("072814", 6));
    CHECK(request.target == Address::v4(192, 0, 2, 1));
    CHECK(request.port == 22);
    CHECK(request.address == Address::v4(198, 51, 100, 7));
    CHECK(request.token_time == 0x0102030405060708);
    // The three copies of a packet are one, another packet with the same content is not.
    CHECK(std::get<CapyknockRequest>(decode_capyknock(token, kKey)) == request);
    const std::string later = fernet_token(plain_with("myip", "\"198.51.100.7\""), kKey, 1);
    CHECK(std::get<CapyknockRequest>(decode_capyknock(later, kKey)).replay_id != request.replay_id);
}

TEST_CASE("choice: a code that is sent as a number is padded with zeros") {
    CHECK(request_with("otpcode", "72814").code == *totp_proof("072814", 6));
    CHECK(request_with("otpcode", "9288").code == *totp_proof("009288", 6));
    CHECK(request_with("otpcode", "0").code == *totp_proof("000000", 6));
    CHECK(request_with("otpcode", "999999").code == *totp_proof("999999", 6));
    for (const char* code :
         {"1000000", "18446744073709551615", "18446744073709551616", "-72814", "-0", "72814.0", "7e4"})
        CHECK_MESSAGE(verdict_of_plain(plain_with("otpcode", code)) == "code", code);
}

TEST_CASE("choice: a code that is sent as text keeps its zeros, and blanks around it are cut off") {
    CHECK(request_with("otpcode", "\"009288\"").code == *totp_proof("009288", 6));
    CHECK(request_with("otpcode", R"(" \t\n\r\u000b\f009288 \n")").code == *totp_proof("009288", 6));
    for (const char* code : {R"("")", R"("  ")", R"("9288")", R"("0009288")", R"("00 9288")", R"("00928a")",
                             R"("009288\u0000")", R"("\u00a0009288")", R"("\uff10\uff10\uff19\uff12\uff18\uff18")"})
        CHECK_MESSAGE(verdict_of_plain(plain_with("otpcode", code)) == "code", code);
}

TEST_CASE("choice: the port may be text or a number") {
    CHECK(request_with("trgsrvport", "\"65535\"").port == 65535);
    CHECK(request_with("trgsrvport", "65535").port == 65535);
    for (const char* port : {"0", "65536", "18446744073709551616", R"("0")", R"("65536")", R"("")", R"(" 22")",
                             R"("22\n")", R"("tcp/22")", R"("-22")", R"("2\u0000")"})
        CHECK_MESSAGE(verdict_of_plain(plain_with("trgsrvport", port)) == "port", port);
}

TEST_CASE("choice: myip is an address or empty, or the knock is refused") {
    CHECK_FALSE(request_with("myip", "\"\"").address.has_value());
    CHECK(request_with("myip", "\"2001:db8::7\"").address == Address::parse("2001:db8::7").value());
    for (const char* address :
         {"\"fe80::1%$(touch /tmp/pwned)\"", R"("fe80::1%eth0")", R"("example.net")", R"("198.51.100.7/32")", R"(" ")",
          R"("198.51.100.7 ")", R"("198.51.100.7\u0000")", R"("3325256711")", "3325256711"})
        CHECK_MESSAGE(verdict_of_plain(plain_with("myip", address)) == "address", address);
}

TEST_CASE("choice: any token time is accepted, because the code says when the knock was made") {
    for (const std::uint64_t time : {std::uint64_t{0}, std::uint64_t{1}, UINT64_MAX})
        CHECK(verdict_of_token(fernet_token(kPlain, kKey, time)) == "accepted");
}

TEST_CASE("each field has to be there, with a value of its kind") {
    for (const char* value : kOtherValues) {
        CAPTURE(value);
        CHECK(verdict_of_plain(plain_with("otpcode", value)) == "code");
        CHECK(verdict_of_plain(plain_with("trgsrvip", value)) == "target");
        CHECK(verdict_of_plain(plain_with("trgsrvport", value)) == "port");
        CHECK(verdict_of_plain(plain_with("myip", value)) == "address");
    }
    for (const char* target :
         {R"("")", R"("example.net")", R"("192.0.2.1%0")", R"("192.0.2.01")", R"("192.0.2.1\u0000")"})
        CHECK(verdict_of_plain(plain_with("trgsrvip", target)) == "target");
}

TEST_CASE("other members of the plaintext are ignored, in any order and spacing") {
    CHECK(verdict_of_plain("\r\n{ \"x\":[1,{\"otpcode\":[null]}],\t\"myip\" :\"\",\"trgsrvport\":22,\"otpcode\":72814 ,"
                           "\"trgsrvip\":\"192.0.2.1\"} \n") == "accepted");
    CHECK(verdict_of_plain(R"({"o\u0074pcode":"07281\u0034","trgsrvip":"192.0.2.1","trgsrvport":"22","myip":""})") ==
          "accepted");
}

TEST_CASE("a member that is there twice is refused") {
    CHECK(verdict_of_plain(kPlain.substr(0, kPlain.size() - 1) + R"(, "myip": ""})") == "plaintext");
    CHECK(verdict_of_plain(kPlain.substr(0, kPlain.size() - 1) + R"(, "m\u0079ip": "203.0.113.1"})") == "plaintext");
    CHECK(verdict_of_plain(kPlain.substr(0, kPlain.size() - 1) + R"(, "hash": "", "hash": 1})") == "accepted");
    CHECK(verdict_of_envelope(R"({"usrnm": "a", "payload": "x", "usrnm": "b"})") == "envelope");
}

TEST_CASE("a plaintext is one JSON object") {
    for (const char* plain : {"",
                              " ",
                              "{",
                              "null",
                              "5",
                              "\"x\"",
                              "[]",
                              "[{}]",
                              "{}{}",
                              "{} x",
                              "{'a':1}",
                              "{\"a\":01}",
                              "{\"a\":1,}",
                              "{\"a\":1e999}",
                              "{\"a\":NaN}",
                              "{\"a\":\"\\ud800\"}",
                              "{\"a\":\"\xc0\x80\"}",
                              "{\"a\":\"\xff\"}",
                              "{\"a\":\"\n\"}",
                              "/**/{}"})
        CHECK_MESSAGE(verdict_of_plain(plain) == "plaintext", plain);
    CHECK(verdict_of_plain("{}") == "code");
    CHECK(verdict_of_plain(std::string("{}\0", 3)) == "plaintext");
    CHECK(verdict_of_plain(kPlain + std::string("\0{", 2)) == "plaintext");
    std::string cut = kPlain;
    for (; !cut.empty(); cut.pop_back())
        CHECK(verdict_of_plain(cut.substr(0, cut.size() - 1)) == "plaintext");
}

TEST_CASE("nesting is bounded") {
    const auto nested = [](std::size_t depth) {
        return R"({"x": )" + std::string(depth, '[') + std::string(depth, ']') + "}";
    };
    CHECK(verdict_of_plain(nested(7)) == "code");
    CHECK(verdict_of_plain(nested(8)) == "plaintext");
    CHECK(verdict_of_envelope(nested(7)) == "name");
    CHECK(verdict_of_envelope(nested(700)) == "envelope");
    CHECK(verdict_of_envelope(std::string(kMostCapyknock, '[')) == "envelope");
    std::string objects;
    while (objects.size() + 5 <= kMostCapyknock)
        objects += "{\"\":";
    CHECK(verdict_of_envelope(objects) == "envelope");
}

TEST_CASE("a plaintext has up to 500 characters, whatever bytes they take") {
    const std::string front = kPlain.substr(0, kPlain.size() - 1) + R"(, "pad": ")";
    for (const std::string_view character : {"x", "\xc3\xa4"}) {
        std::string plain = front;
        for (std::size_t i = front.size(); i < kMostCapyknockPlain - 2; ++i)
            plain += character;
        CHECK(verdict_of_plain(plain + "\"}") == "accepted");
        CHECK(verdict_of_plain(plain + "\"} ") == "plain_length");
    }
}

TEST_CASE("a token that is cut off anywhere, or goes on, is refused") {
    const std::string token = fernet_token(kPlain, kKey);
    REQUIRE(verdict_of_token(token) == "accepted");
    for (std::size_t size = 0; size < token.size(); ++size)
        // A token of fewer blocks has a wrong HMAC.
        CHECK(verdict_of_token(std::string_view(token).substr(0, size)) ==
              (size % 64 == token.size() % 64 && size >= 100 ? "hmac" : "token"));
    CHECK(verdict_of_token(token + "A") == "token");
    CHECK(verdict_of_token(token + "=") == "token");
    CHECK(verdict_of_token(token + "\n") == "token");
    CHECK(verdict_of_token(std::string(100'000, 'A')) == "token");
    // Cut off in bytes, with canonical base64.
    Buffer bytes(token.size());
    bytes.resize(*decode_base64(token, Base64::url_padded, bytes));
    for (; !bytes.empty(); bytes.pop_back())
        CHECK(verdict_of_token(url_base64(ByteView(bytes).first(bytes.size() - 1))) != "accepted");
}

TEST_CASE("a token with any bit flipped is refused") {
    const std::string token = fernet_token(kPlain, kKey);
    for (std::size_t bit = 0; bit < 8 * token.size(); ++bit) {
        std::string changed = token;
        changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
        const std::string why = verdict_of_token(changed);
        CHECK_MESSAGE((why == "hmac" || why == "token" || why == "version"), bit, " ", why);
    }
}

TEST_CASE("a token has one form only") {
    constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    // Of the sizes that tokens have, each third leaves two unused bits, and each third four.
    std::set<std::size_t> paddings;
    for (std::size_t more = 0; more < 48; more += 16) {
        const std::string token = fernet_token(kPlain + std::string(more, ' '), kKey);
        const std::size_t padding = token.size() - token.find_last_not_of('=') - 1;
        paddings.insert(padding);
        REQUIRE(verdict_of_token(token) == "accepted");
        if (padding == 0)
            continue;
        std::string twin = token;
        char& last = twin[token.size() - padding - 1];
        last = kAlphabet[kAlphabet.find(last) ^ 1];
        CHECK(verdict_of_token(twin) == "token");
        CHECK(verdict_of_token(token.substr(0, token.size() - padding)) == "token");
    }
    CHECK(paddings == std::set<std::size_t>{0, 1, 2});
    std::string other = fernet_token(kPlain, kKey);
    while (other.find_first_of("-_") == other.npos)
        other = fernet_token(kPlain, kKey, other.size() + std::hash<std::string>{}(other));
    for (char& c : other)
        c = c == '-' ? '+' : c == '_' ? '/' : c;
    CHECK(verdict_of_token(other) == "token");
}

TEST_CASE("both halves of the key count") {
    const std::string token = fernet_token(kPlain, kKey);
    CapyknockKey other = kKey;
    other[15] ^= 1;
    CHECK(verdict_of_token(token, other) == "hmac");
    // The other half only behind the HMAC: wrong padding, or a plaintext that is none.
    other = kKey;
    other[31] ^= 1;
    CHECK(verdict_of_token(token, other) != "accepted");
    CHECK(verdict_of_token(token, other) != "hmac");
}

TEST_CASE("a token is of Fernet's version, with whole blocks and right padding") {
    CHECK(verdict_of_token(sealed_token(Buffer(25 + 16, 0x81), kKey)) == "version");
    CHECK(verdict_of_token(sealed_token(Buffer(25 + 0, 0x80), kKey)) == "token"); // no block
    CHECK(verdict_of_token(sealed_token(Buffer(25 + 15, 0x80), kKey)) == "token");
    CHECK(verdict_of_token(sealed_token(Buffer(25 + 17, 0x80), kKey)) == "token");
    for (const char last : {'\0', '\x11', '\xff'}) {
        std::string plain(16, 'x');
        plain.back() = last;
        CHECK(verdict_of_token(fernet_token(plain, kKey, 0, false)) == "decryption");
    }
    CHECK(verdict_of_token(fernet_token(std::string(16, '\x10'), kKey, 0, false)) ==
          "plaintext"); // nothing but padding
}

TEST_CASE("the envelope is one JSON object with a name and a token") {
    CHECK(verdict_of_envelope(capyknock_wire("anna", "x")) == "accepted");
    for (const char* wire : {" ", "[]", "5", "{\"usrnm\": \"a\"", R"("x")", R"({"usrnm": "a", "payload": "x"}})", "\0"})
        CHECK(verdict_of_envelope(wire) == (*wire == '\0' ? "length" : "envelope"));
    CHECK(verdict_of_envelope("") == "length");
    const std::string front = R"({"usrnm": "a", "payload": ")";
    const auto padded = [&](std::size_t size) { return front + std::string(size - front.size() - 2, 'A') + "\"}"; };
    CHECK(verdict_of_envelope(padded(kMostCapyknock)) == "accepted");
    CHECK(verdict_of_envelope(padded(kMostCapyknock + 1)) == "length");
    CHECK(verdict_of_envelope(std::string(100'000, '{')) == "length");
    for (const char* value : {"null", "5", "[]", "{}", "true"}) {
        CHECK(verdict_of_envelope(R"({"payload": "x", "usrnm": )" + std::string(value) + "}") == "name");
        CHECK(verdict_of_envelope(R"({"usrnm": "a", "payload": )" + std::string(value) + "}") == "token");
    }
    CHECK(verdict_of_envelope(R"({"payload": "x"})") == "name");
    CHECK(verdict_of_envelope(R"({"usrnm": "a"})") == "token");
}

TEST_CASE("the original's packet that bans is not a knock") {
    CHECK(verdict_of_envelope(R"({"banip": "203.0.113.9"})") == "name");
}

TEST_CASE("a name is printable and short") {
    CHECK(verdict_of_envelope(capyknock_wire(std::string(kMostCapyknockName, 'a'), "x")) == "accepted");
    CHECK(verdict_of_envelope(capyknock_wire(std::string(kMostCapyknockName + 1, 'a'), "x")) == "name");
    for (const char* name : {"", " ", "a b", "a\\n", "a\\u0000", "\\u001b[2J", "\\u202e", "\xc3\xa4", "\x7f"})
        CHECK_MESSAGE(verdict_of_envelope(capyknock_wire(name, "x")) == "name", name);
}

TEST_CASE("an envelope that is cut off anywhere is refused") {
    std::string wire = capyknock_wire("anna", fernet_token(kPlain, kKey));
    for (; !wire.empty(); wire.pop_back())
        CHECK(verdict_of_envelope(wire.substr(0, wire.size() - 1)) == (wire.size() == 1 ? "length" : "envelope"));
}

TEST_CASE("a packet with any bit flipped is another user's, is refused, or means the same") {
    const std::string token = fernet_token(kPlain, kKey), wire = capyknock_wire("anna", token);
    const auto right = std::get<CapyknockRequest>(decode_capyknock(token, kKey));
    for (std::size_t bit = 0; bit < 8 * wire.size(); ++bit) {
        std::string changed = wire;
        changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
        const auto envelope = read_capyknock_envelope(bytes_of(changed));
        const auto* const read = std::get_if<CapyknockEnvelope>(&envelope);
        if (read == nullptr || read->name != "anna")
            continue;
        const auto request = decode_capyknock(read->token, kKey);
        // A blank that becomes another blank changes nothing: the replay id is of the token.
        if (std::holds_alternative<CapyknockRequest>(request))
            CHECK(std::get<CapyknockRequest>(request) == right);
    }
}

TEST_CASE("each fault of capyknock has one name") {
    std::set<std::string_view> names;
    for (std::size_t i = 0; i < kCapyknockFaults; ++i)
        names.insert(name_of(static_cast<CapyknockFault>(i)));
    CHECK(names.size() == kCapyknockFaults);
    CHECK_FALSE(names.contains("unknown"));
    CHECK(name_of(static_cast<CapyknockFault>(kCapyknockFaults)) == "unknown");
}
