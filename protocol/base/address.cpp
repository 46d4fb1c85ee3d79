// SPDX-License-Identifier: MIT
#include "protocol/base/address.h"

#include "protocol/base/quote.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace xk {
namespace {

constexpr Bytes<12> kV4Mapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool covers(const Address& network, unsigned length, const Address& other) {
    const unsigned whole = length / 8;
    if (!std::equal(network.bytes.begin(), network.bytes.begin() + whole, other.bytes.begin()))
        return false;
    const unsigned rest = length % 8;
    if (rest == 0)
        return true;
    const auto mask = static_cast<std::uint8_t>(0xff << (8 - rest));
    return (network.bytes[whole] & mask) == (other.bytes[whole] & mask);
}

struct Range {
    Address network;
    unsigned length;
};

Range v4_range(std::uint8_t a, std::uint8_t b, unsigned length) { return {Address::v4(a, b, 0, 0), 96 + length}; }

Range v6_range(std::uint8_t a, std::uint8_t b, unsigned length) { return {Address{Bytes<16>{a, b}}, length}; }

template <std::size_t N>
bool in_any(const Address& address, const Range (&ranges)[N]) {
    return std::any_of(std::begin(ranges), std::end(ranges),
                       [&](const Range& r) { return covers(r.network, r.length, address); });
}

// The system gives out each family's addresses with its alignment; the common type does not say so.
template <class Family>
const Family& as(const sockaddr& address) {
    return *static_cast<const Family*>(static_cast<const void*>(&address));
}

// The IPv4 address that v4-mapped text means, in any of its forms. Nothing for any other text.
std::optional<Address> mapped_v4(std::string_view text) {
    const std::string copy(text);
    Address address;
    if (copy.find('\0') != std::string::npos || ::inet_pton(AF_INET6, copy.c_str(), address.bytes.data()) != 1 ||
        !address.is_v4())
        return std::nullopt;
    return address;
}

// The network of this address and a length, given as digits, from `least` to `most`. `text` is for the error.
Result<Prefix> with_length(std::string_view text, const Address& address, std::string_view digits, unsigned least,
                           unsigned most) {
    unsigned length = 0;
    const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
    if (digits.empty() || code != std::errc{} || end != digits.data() + digits.size() || length < least ||
        length > most)
        return Error{
            in_quotes(text) + " has no prefix length of " + std::to_string(least) + " to " + std::to_string(most), {}};
    const bool plain_v4 = address.is_v4() && least == 0;
    const Prefix prefix = Prefix::around(address, plain_v4 ? 96 + length : length);
    if (prefix.address != address)
        return Error{in_quotes(text) + " has bits set behind its prefix length", "did you mean " + prefix.text() + "?"};
    return prefix;
}

} // namespace

Address Address::v4(const Bytes<4>& v4) {
    Address a;
    std::copy(kV4Mapped.begin(), kV4Mapped.end(), a.bytes.begin());
    std::copy(v4.begin(), v4.end(), a.bytes.begin() + 12);
    return a;
}

bool Address::is_v4() const { return std::equal(kV4Mapped.begin(), kV4Mapped.end(), bytes.begin()); }

Result<Address> Address::parse(std::string_view text) {
    const std::string copy(text); // inet_pton wants a terminator
    Bytes<4> four;
    if (copy.find('\0') == std::string::npos) {
        if (::inet_pton(AF_INET, copy.c_str(), four.data()) == 1)
            return Address::v4(four);
        Address six;
        if (::inet_pton(AF_INET6, copy.c_str(), six.bytes.data()) == 1 && !six.is_v4())
            return six;
    }
    return Error{in_quotes(text) + " is not an IP address", "write 192.0.2.1 or 2001:db8::1"};
}

Result<Address> Address::parse_logged(std::string_view text) {
    if (const auto mapped = mapped_v4(text))
        return *mapped;
    return parse(text);
}

Address Address::of(const sockaddr& address) {
    if (address.sa_family == AF_INET) {
        const auto& in = as<sockaddr_in>(address);
        Bytes<4> four;
        std::memcpy(four.data(), &in.sin_addr, four.size());
        return v4(four);
    }
    Address a;
    if (address.sa_family == AF_INET6) {
        const auto& in6 = as<sockaddr_in6>(address);
        std::memcpy(a.bytes.data(), &in6.sin6_addr, a.bytes.size());
    }
    return a;
}

bool Address::is_loopback() const {
    static const Range v4_loopback = v4_range(127, 0, 8);
    static const Address v6_loopback{Bytes<16>{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
    return *this == v6_loopback || covers(v4_loopback.network, v4_loopback.length, *this);
}

bool Address::is_grantable() const {
    // IANA special-purpose registries (RFC 6890), as far as they cannot be the source of a
    // connection from elsewhere.
    static const Range v4_never[] = {v4_range(0, 0, 8), v4_range(127, 0, 8), v4_range(169, 254, 16),
                                     v4_range(224, 0, 4), v4_range(240, 0, 4)};
    static const Range v6_never[] = {v6_range(0, 0, 8),        // ::, ::1, v4-compatible, 64:ff9b is 00/8 too
                                     v6_range(0xfe, 0x80, 10), // link-local
                                     v6_range(0xfe, 0xc0, 10), // site-local, deprecated by RFC 3879
                                     v6_range(0xff, 0, 8)};    // multicast
    if (is_v4())
        return !in_any(*this, v4_never);
    // 64:ff9b::/96 and 64:ff9b:1::/48 (NAT64, RFC 6052 and 8215) are real sources behind a NAT64.
    if (bytes[0] == 0x00 && bytes[1] == 0x64 && bytes[2] == 0xff && bytes[3] == 0x9b)
        return true;
    return !in_any(*this, v6_never);
}

bool Address::is_global() const {
    static const Range v4_site[] = {v4_range(10, 0, 8), v4_range(172, 16, 12), v4_range(192, 168, 16),
                                    v4_range(100, 64, 10),
                                    // A CLAT's end of an IPv6-only network (RFC 7335), and what some tunnels use.
                                    v4_range(192, 0, 24), v4_range(198, 18, 15)};
    static const Range v6_site[] = {v6_range(0xfc, 0, 7)};
    if (!is_grantable())
        return false;
    return is_v4() ? !in_any(*this, v4_site) : !in_any(*this, v6_site);
}

std::string Address::text() const {
    char buffer[INET6_ADDRSTRLEN];
    if (is_v4())
        ::inet_ntop(AF_INET, bytes.data() + 12, buffer, sizeof buffer);
    else
        ::inet_ntop(AF_INET6, bytes.data(), buffer, sizeof buffer);
    return buffer;
}

std::uint32_t Address::to_sockaddr(sockaddr_storage& out, std::uint16_t port) const {
    out = {};
    if (is_v4()) {
        auto& in = reinterpret_cast<sockaddr_in&>(out);
        in.sin_family = AF_INET;
        in.sin_port = htons(port);
        std::memcpy(&in.sin_addr, bytes.data() + 12, 4);
        return sizeof in;
    }
    auto& in6 = reinterpret_cast<sockaddr_in6&>(out);
    in6.sin6_family = AF_INET6;
    in6.sin6_port = htons(port);
    std::memcpy(&in6.sin6_addr, bytes.data(), 16);
    return sizeof in6;
}

Prefix Prefix::around(const Address& address, unsigned length) {
    Prefix prefix{address, static_cast<std::uint8_t>(length)};
    for (unsigned bit = length; bit < 128; ++bit)
        prefix.address.bytes[bit / 8] &= static_cast<std::uint8_t>(~(0x80u >> (bit % 8)));
    return prefix;
}

Result<Prefix> Prefix::parse(std::string_view text) {
    const auto slash = text.find('/');
    auto address = Address::parse(text.substr(0, slash));
    if (!address)
        return Error{in_quotes(text) + " is not an address or network",
                     "write 192.0.2.0/24, 2001:db8::/32 or a single address"};
    if (slash == std::string_view::npos)
        return of(*address);
    return with_length(text, *address, text.substr(slash + 1), 0, address->is_v4() ? 32 : 128);
}

Result<Prefix> Prefix::parse_logged(std::string_view text) {
    const auto slash = text.find('/');
    const auto mapped = mapped_v4(text.substr(0, slash));
    if (!mapped)
        return parse(text);
    if (slash == std::string_view::npos)
        return of(*mapped);
    // Its length counts the 96 bits before the IPv4 address too; a shorter one would be a part of IPv6.
    return with_length(text, *mapped, text.substr(slash + 1), 96, 128);
}

bool Prefix::contains(const Address& other) const {
    // ::/0 is all of IPv6 and none of IPv4, although the 16-byte form of IPv4 lies inside it.
    return is_v4() == other.is_v4() && covers(address, length, other);
}

Address Prefix::last() const {
    Address end = address;
    for (unsigned bit = length; bit < 128; ++bit)
        end.bytes[bit / 8] |= static_cast<std::uint8_t>(0x80u >> (bit % 8));
    return end;
}

std::string Prefix::text() const {
    if (is_single())
        return address.text();
    return address.text() + "/" + std::to_string(is_v4() ? length - 96 : length);
}

} // namespace xk
