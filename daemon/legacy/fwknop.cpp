// SPDX-License-Identifier: MIT
#include "daemon/legacy/fwknop.h"

#include "daemon/legacy/text.h"
#include "protocol/secret.h"

#include <sodium.h>

#include <algorithm>

namespace xk::legacy {
namespace {

// "Salted__" begins every ciphertext. Its 64 bits are ten characters of base64, which the client does not send, and
// four bits of the next one.
constexpr std::string_view kPrefix = "U2FsdGVkX1";
constexpr std::string_view kNext = "89+/";
constexpr std::size_t kMagic = 8, kSalt = 8, kBlock = 16;
constexpr std::size_t kMostText = kPrefix.size() + kMostFwknop;
constexpr std::size_t kMostPlain = kMostText / 4 * 3;

// On the base64 text, as libfko has it.
constexpr std::size_t kMostUser = 64, kMostMessage = 256;
constexpr std::size_t kMostTimeDigits = 12, kMostTimeoutDigits = 5, kMostVersion = 8, kRandomDigits = 16;

enum Field : std::size_t { kRandom, kUser, kTime, kVersion, kType, kMessage, kFewestFields };
constexpr std::size_t kMostFields = kFewestFields + 3; // NAT, server authentication, time-out

using FwknopCheck = std::optional<FwknopFault>;

bool is_base64(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

FwknopCheck check_form(std::string_view wire, const FwknopKeys& keys) {
    if (keys.encryption.empty() || keys.encryption.size() > kMostFwknopKey || keys.hmac.empty() ||
        keys.hmac.size() > kMostFwknopHmacKey)
        return FwknopFault::keys;
    if (wire.size() < kFewestFwknop || wire.size() > kMostFwknop)
        return FwknopFault::length;
    if (!std::all_of(wire.begin(), wire.end(), is_base64))
        return FwknopFault::alphabet;
    if (kNext.find(wire.front()) == kNext.npos)
        return FwknopFault::prefix;
    return std::nullopt;
}

// Base64 without "=", and its end for C.
using HashText = std::array<char, unpadded_size(kMostHash) + 1>;

std::string_view write_base64(ByteView bytes, HashText& out) {
    sodium_bin2base64(out.data(), out.size(), bytes.data(), bytes.size(), sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
    return {out.data(), unpadded_size(bytes.size())};
}

// Compares as text: bytes have several texts, and each would be another packet to the replay memory.
FwknopCheck check_hmac(std::string_view signed_text, std::string_view hmac, const FwknopKeys& keys) {
    Bytes<kMostHash> right{};
    const Wiped wiped_right(right);
    HashText right_text{};
    const Wiped wiped_text(right_text);
    if (!compute_hmac(keys.hmac_hash, keys.hmac, bytes_of(signed_text), right))
        return FwknopFault::unavailable;
    const std::string_view text = write_base64(ByteView(right).first(hash_size(keys.hmac_hash)), right_text);
    if (text.size() != hmac.size() || sodium_memcmp(text.data(), hmac.data(), text.size()) != 0)
        return FwknopFault::hmac;
    return std::nullopt;
}

struct Plaintext {
    Bytes<kMostPlain> bytes{};
    std::size_t size = 0;
    std::string_view text() const { return text_of(ByteView(bytes).first(size)); }
};

FwknopCheck decrypt(std::string_view text, ByteView key, Plaintext& plain) {
    Bytes<kMostPlain + 3> blob{};
    const auto size = decode_base64(text, Base64::unpadded, blob);
    if (!size)
        return FwknopFault::encoding;
    if (*size < kMagic + kSalt + kBlock || (*size - kMagic - kSalt) % kBlock != 0)
        return FwknopFault::blocks;
    AesKey derived;
    const Wiped wiped(derived);
    if (!derive_aes_key(key, field<kMagic, kSalt>(std::span<const std::uint8_t, kMostPlain + 3>(blob)), derived))
        return FwknopFault::unavailable;
    const auto plain_size =
        decrypt_aes(derived.key, derived.iv, ByteView(blob).first(*size).subspan(kMagic + kSalt), plain.bytes);
    if (!plain_size)
        return FwknopFault::decryption;
    plain.size = *plain_size;
    return std::nullopt;
}

// The kind of digest is told by its length, which two kinds of hash may share.
bool has_right_digest(std::string_view text, std::string_view digest) {
    for (const Hash hash : kHashes) {
        Bytes<kMostHash> right{};
        HashText right_text{};
        if (unpadded_size(hash_size(hash)) == digest.size() && compute_hash(hash, bytes_of(text), right) &&
            write_base64(ByteView(right).first(hash_size(hash)), right_text) == digest)
            return true;
    }
    return false;
}

struct Fields {
    std::array<std::string_view, kMostFields> all{};
    std::size_t count = 0;
};

std::optional<Fields> split(std::string_view text) {
    Fields fields;
    for (;;) {
        if (fields.count == fields.all.size())
            return std::nullopt;
        const std::size_t end = std::min(text.find(':'), text.size());
        fields.all.at(fields.count++) = text.substr(0, end);
        if (end == text.size())
            break;
        text.remove_prefix(end + 1);
    }
    if (fields.count < kFewestFields)
        return std::nullopt;
    return fields;
}

bool is_name_character(char c) {
    return c >= ' ' && c <= '~' && std::string_view("\"/\\[]:;|=,+*?<>").find(c) == std::string_view::npos;
}

bool read_user(std::string_view text, std::string& out) {
    Bytes<kMostUser / 4 * 3> bytes{};
    if (text.empty() || text.size() > kMostUser)
        return false;
    const auto size = decode_base64(text, Base64::unpadded, bytes);
    if (!size)
        return false;
    out = text_of(ByteView(bytes).first(*size));
    return std::all_of(out.begin(), out.end(), is_name_character);
}

std::optional<Endpoint> parse_endpoint(std::string_view text) {
    for (const auto protocol : {IpProtocol::tcp, IpProtocol::udp}) {
        const std::string_view name = name_of(protocol);
        if (!text.starts_with(name) || !text.substr(name.size()).starts_with('/'))
            continue;
        if (const auto port = parse_port(text.substr(name.size() + 1)))
            return Endpoint{protocol, *port};
    }
    return std::nullopt;
}

// "203.0.113.9,tcp/22,udp/53". Every element counts: the original looks at some of them only.
FwknopCheck read_message(std::string_view text, FwknopPacket& out) {
    Bytes<kMostMessage / 4 * 3> bytes{};
    if (text.size() > kMostMessage)
        return FwknopFault::message;
    const auto size = decode_base64(text, Base64::unpadded, bytes);
    if (!size)
        return FwknopFault::message;
    std::string_view left = text_of(ByteView(bytes).first(*size));
    std::size_t comma = left.find(',');
    if (comma == left.npos)
        return FwknopFault::message;
    const auto address = Address::parse(left.substr(0, comma));
    if (!address || !address->is_v4())
        return FwknopFault::address;
    if (*address != Address::v4(0, 0, 0, 0))
        out.address = *address;
    while (comma < left.size()) {
        left.remove_prefix(comma + 1);
        comma = std::min(left.find(','), left.size());
        const auto endpoint = parse_endpoint(left.substr(0, comma));
        if (!endpoint || out.endpoint_count == out.endpoint_list.size())
            return FwknopFault::endpoint;
        out.endpoint_list.at(out.endpoint_count++) = *endpoint;
    }
    return std::nullopt;
}

// Which fields follow the message depends on the type: a server authentication may stand before the time-out, and
// neither the original nor this checks one.
FwknopCheck read_type(const Fields& fields, FwknopPacket& out) {
    const std::string_view type = fields.all[kType];
    if (type.size() != 1 || type.front() < '0' || type.front() > '6')
        return FwknopFault::type;
    if (type != "1" && type != "3")
        return FwknopFault::unsupported_type;
    const std::size_t expected = type == "3" ? kFewestFields + 1 : kFewestFields;
    if (fields.count == expected + 1)
        return FwknopFault::server_auth;
    if (fields.count > expected)
        return FwknopFault::fields;
    if (type == "1")
        return std::nullopt;
    const auto timeout =
        fields.count == expected ? parse_number(fields.all.at(kFewestFields), kMostTimeoutDigits) : std::nullopt;
    if (!timeout || *timeout > kMostFwknopTimeout)
        return FwknopFault::timeout;
    out.timeout = static_cast<std::uint32_t>(*timeout);
    return std::nullopt;
}

FwknopCheck read_fields(std::string_view plain, FwknopPacket& out) {
    const std::size_t colon = plain.rfind(':');
    if (colon == plain.npos)
        return FwknopFault::fields;
    if (!has_right_digest(plain.substr(0, colon), plain.substr(colon + 1)))
        return FwknopFault::digest;
    const auto fields = split(plain.substr(0, colon));
    if (!fields)
        return FwknopFault::fields;
    if (fields->all[kRandom].size() != kRandomDigits || !is_digits(fields->all[kRandom]))
        return FwknopFault::random;
    if (!read_user(fields->all[kUser], out.user))
        return FwknopFault::user;
    const auto seconds = parse_number(fields->all[kTime], kMostTimeDigits);
    if (!seconds)
        return FwknopFault::time;
    out.made = WallTime(std::chrono::seconds(*seconds));
    if (fields->all[kVersion].empty() || fields->all[kVersion].size() > kMostVersion)
        return FwknopFault::version;
    if (const FwknopCheck fault = read_type(*fields, out))
        return fault;
    return read_message(fields->all[kMessage], out);
}

} // namespace

std::variant<FwknopPacket, FwknopFault> decode_fwknop(ByteView wire, const FwknopKeys& keys) {
    if (const FwknopCheck fault = check_form(text_of(wire), keys))
        return *fault;
    std::array<char, kMostText> whole{};
    std::ranges::copy(kPrefix, whole.begin());
    std::ranges::copy(wire, whole.begin() + kPrefix.size());
    const std::string_view text(whole.data(), kPrefix.size() + wire.size());
    const std::size_t end = text.size() - unpadded_size(hash_size(keys.hmac_hash)); // no hash is as long as a packet
    if (const FwknopCheck fault = check_hmac(text.substr(0, end), text.substr(end), keys))
        return *fault;
    Plaintext plain;
    const Wiped wiped(plain);
    if (const FwknopCheck fault = decrypt(text.substr(0, end), keys.encryption, plain))
        return *fault;
    FwknopPacket packet;
    if (const FwknopCheck fault = read_fields(plain.text(), packet))
        return *fault;
    crypto_hash_sha256(packet.replay_id.data(), wire.data(), wire.size());
    return packet;
}

std::string_view name_of(FwknopFault fault) {
    switch (fault) {
    case FwknopFault::keys:
        return "keys";
    case FwknopFault::length:
        return "length";
    case FwknopFault::alphabet:
        return "alphabet";
    case FwknopFault::prefix:
        return "prefix";
    case FwknopFault::unavailable:
        return "unavailable";
    case FwknopFault::hmac:
        return "hmac";
    case FwknopFault::encoding:
        return "encoding";
    case FwknopFault::blocks:
        return "blocks";
    case FwknopFault::decryption:
        return "decryption";
    case FwknopFault::digest:
        return "digest";
    case FwknopFault::fields:
        return "fields";
    case FwknopFault::random:
        return "random";
    case FwknopFault::user:
        return "user";
    case FwknopFault::time:
        return "time";
    case FwknopFault::version:
        return "version";
    case FwknopFault::type:
        return "type";
    case FwknopFault::unsupported_type:
        return "unsupported_type";
    case FwknopFault::server_auth:
        return "server_auth";
    case FwknopFault::timeout:
        return "timeout";
    case FwknopFault::message:
        return "message";
    case FwknopFault::address:
        return "address";
    case FwknopFault::endpoint:
        return "endpoint";
    }
    return "unknown";
}

} // namespace xk::legacy
