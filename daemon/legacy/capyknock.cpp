// SPDX-License-Identifier: MIT
#include "daemon/legacy/capyknock.h"

#include "daemon/legacy/json_fields.h"
#include "daemon/legacy/libcrypto.h"
#include "daemon/legacy/text.h"
#include "protocol/secret.h"

#include <sodium.h>

#include <algorithm>
#include <array>

namespace xk::legacy {
namespace {

// A Fernet token: version | time | IV | ciphertext | HMAC-SHA-256 of all before.
constexpr std::uint8_t kFernet = 0x80;
constexpr std::size_t kTimeAt = 1, kIvAt = 9, kCiphertextAt = 25, kHmac = 32, kAesBlock = 16;
constexpr std::size_t kFewestToken = kCiphertextAt + kAesBlock + kHmac;
constexpr std::size_t kMostToken = kMostCapyknock / 4 * 3;
constexpr std::size_t kHalfKey = kCapyknockKey / 2;

using TokenBytes = Bytes<kMostToken>;
using Key = std::span<const std::uint8_t, kCapyknockKey>;
using CapyknockCheck = std::optional<CapyknockFault>;

bool is_capyknock_name_character(char c) { return c > ' ' && c <= '~'; }

CapyknockCheck check_hmac(ByteView token, Key key) {
    crypto_auth_hmacsha256_state state;
    const Wiped wiped_state(state);
    Bytes<kHmac> right{};
    const Wiped wiped_right(right);
    crypto_auth_hmacsha256_init(&state, key.data(), kHalfKey);
    crypto_auth_hmacsha256_update(&state, token.data(), token.size() - kHmac);
    crypto_auth_hmacsha256_final(&state, right.data());
    if (sodium_memcmp(right.data(), token.last(kHmac).data(), kHmac) != 0)
        return CapyknockFault::hmac;
    return std::nullopt;
}

// Of valid UTF-8, and no fewer of anything else.
std::size_t count_characters(ByteView text) {
    return static_cast<std::size_t>(
        std::ranges::count_if(text, [](std::uint8_t byte) { return (byte & 0xc0) != 0x80; }));
}

// The original strips what Python's str.strip() strips.
std::string_view trimmed(std::string_view text) {
    constexpr std::string_view kBlanks = " \t\n\r\v\f";
    const std::size_t begin = std::min(text.find_first_not_of(kBlanks), text.size());
    return text.substr(begin, text.find_last_not_of(kBlanks) + 1 - begin);
}

// The original prints a number without its zeros, and then refuses it: its own client sends text.
bool read_code(const JsonField& field, Proof& out) {
    std::array<char, kCapyknockDigits> digits{};
    const Wiped wiped(digits);
    std::string_view code = field.is_text() ? trimmed(field.text_view()) : std::string_view{};
    if (field.is_number()) {
        std::uint64_t left = field.number;
        for (auto digit = digits.rbegin(); digit != digits.rend(); ++digit, left /= 10)
            *digit = static_cast<char>('0' + left % 10);
        if (left == 0)
            code = {digits.data(), digits.size()};
    }
    auto proof = totp_proof(code, kCapyknockDigits);
    if (!proof)
        return false;
    out = *proof;
    wipe(*proof);
    return true;
}

std::optional<std::uint16_t> read_port(const JsonField& field) {
    if (field.is_text())
        return parse_port(field.text_view());
    if (field.is_number() && field.number > 0 && field.number <= UINT16_MAX)
        return static_cast<std::uint16_t>(field.number);
    return std::nullopt;
}

CapyknockCheck read_plaintext(std::string_view plain, CapyknockRequest& out) {
    std::array<JsonField, 4> fields = {JsonField("otpcode"), JsonField("trgsrvip"), JsonField("trgsrvport"),
                                       JsonField("myip")};
    const auto& [code, target, port, address] = fields;
    if (!read_json_fields(plain, fields))
        return CapyknockFault::plaintext;
    if (!read_code(code, out.code))
        return CapyknockFault::code;
    const auto target_address = Address::parse(target.text_view());
    if (!target_address)
        return CapyknockFault::target;
    out.target = *target_address;
    const auto target_port = read_port(port);
    if (!target_port)
        return CapyknockFault::port;
    out.port = *target_port;
    if (!address.is_text())
        return CapyknockFault::address;
    if (address.text.empty())
        return std::nullopt;
    const auto asked = Address::parse(address.text_view()); // a zone ("fe80::1%eth0") is none
    if (!asked)
        return CapyknockFault::address;
    out.address = *asked;
    return std::nullopt;
}

CapyknockCheck open_token(ByteView token, Key key, CapyknockRequest& out) {
    if (const CapyknockCheck fault = check_hmac(token, key))
        return fault;
    TokenBytes plain{};
    const Wiped wiped(plain);
    const auto size =
        decrypt_aes(key.last<kHalfKey>(), std::span<const std::uint8_t, kAesBlock>(token.subspan(kIvAt, kAesBlock)),
                    token.subspan(kCiphertextAt, token.size() - kCiphertextAt - kHmac), plain);
    if (!size)
        return CapyknockFault::decryption;
    const ByteView bytes = ByteView(plain).first(*size);
    if (count_characters(bytes) > kMostCapyknockPlain)
        return CapyknockFault::plain_length;
    return read_plaintext(text_of(bytes), out);
}

} // namespace

std::variant<CapyknockEnvelope, CapyknockFault> read_capyknock_envelope(ByteView wire) {
    if (wire.empty() || wire.size() > kMostCapyknock)
        return CapyknockFault::length;
    std::array<JsonField, 2> fields = {JsonField("usrnm"), JsonField("payload")};
    const auto& [name, token] = fields;
    if (!read_json_fields(text_of(wire), fields))
        return CapyknockFault::envelope;
    if (!name.is_text() || name.text.empty() || name.text.size() > kMostCapyknockName ||
        !std::ranges::all_of(name.text, is_capyknock_name_character))
        return CapyknockFault::name;
    if (!token.is_text())
        return CapyknockFault::token;
    return CapyknockEnvelope{std::string(name.text_view()), std::string(token.text_view())};
}

std::variant<CapyknockRequest, CapyknockFault> decode_capyknock(std::string_view token, Key key) {
    TokenBytes bytes{};
    const auto size = decode_base64(token, Base64::url_padded, bytes);
    if (!size || *size < kFewestToken || (*size - kFewestToken) % kAesBlock != 0)
        return CapyknockFault::token;
    const ByteView whole = ByteView(bytes).first(*size);
    if (whole.front() != kFernet)
        return CapyknockFault::version;
    CapyknockRequest request;
    const Wiped wiped(request);
    if (const CapyknockCheck fault = open_token(whole, key, request))
        return *fault;
    request.token_time = load_be<std::uint64_t>(field<kTimeAt, 8>(std::span<const std::uint8_t, kMostToken>(bytes)));
    crypto_hash_sha256(request.replay_id.data(), whole.data(), whole.size());
    return request;
}

std::string_view name_of(CapyknockFault fault) {
    switch (fault) {
    case CapyknockFault::length:
        return "length";
    case CapyknockFault::envelope:
        return "envelope";
    case CapyknockFault::name:
        return "name";
    case CapyknockFault::token:
        return "token";
    case CapyknockFault::version:
        return "version";
    case CapyknockFault::hmac:
        return "hmac";
    case CapyknockFault::decryption:
        return "decryption";
    case CapyknockFault::plain_length:
        return "plain_length";
    case CapyknockFault::plaintext:
        return "plaintext";
    case CapyknockFault::code:
        return "code";
    case CapyknockFault::target:
        return "target";
    case CapyknockFault::port:
        return "port";
    case CapyknockFault::address:
        return "address";
    }
    return "unknown";
}

} // namespace xk::legacy
