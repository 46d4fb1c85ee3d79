// SPDX-License-Identifier: MIT
#include "client/nat64.h"

#include "client/answer_within.h"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <memory>

namespace xk::client {
namespace {

constexpr unsigned kLengths[] = {96, 64, 56, 48, 40, 32};
constexpr const char* kKnownName = "ipv4only.arpa";
const Address kKnown[] = {Address::v4(192, 0, 0, 170), Address::v4(192, 0, 0, 171)};

bool is_in_known_prefix(const Address& six) {
    static const Prefix prefixes[] = {*Prefix::parse("64:ff9b::/96"), *Prefix::parse("64:ff9b:1::/48")};
    return std::any_of(std::begin(prefixes), std::end(prefixes), [&](const Prefix& p) { return p.contains(six); });
}

bool is_made_of(const Address& six, const std::vector<Place>& places) {
    return std::any_of(std::begin(kLengths), std::end(kLengths), [&](unsigned length) {
        const auto four = embedded_v4(six, length);
        return four && std::any_of(places.begin(), places.end(),
                                   [&](const Place& p) { return static_cast<const Address&>(p) == *four; });
    });
}

std::vector<Address> look_up_known_name() {
    addrinfo hints{}, *raw = nullptr;
    hints.ai_family = AF_INET6;
    hints.ai_socktype = SOCK_STREAM;
    if (::getaddrinfo(kKnownName, nullptr, &hints, &raw) != 0)
        return {};
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> list(raw, ::freeaddrinfo);
    std::vector<Address> addresses;
    for (const addrinfo* a = list.get(); a != nullptr; a = a->ai_next)
        addresses.push_back(Address::of(*a->ai_addr));
    return addresses;
}

} // namespace

std::optional<Address> embedded_v4(const Address& six, unsigned prefix_length) {
    if (six.is_v4() || std::find(std::begin(kLengths), std::end(kLengths), prefix_length) == std::end(kLengths))
        return std::nullopt;
    Bytes<4> four;
    std::size_t at = prefix_length / 8;
    for (std::uint8_t& byte : four) {
        at += at == 8 ? 1 : 0; // bits 64 to 71 are no part of it
        byte = six.bytes[at++];
    }
    const bool has_gap = prefix_length < 96;
    if ((has_gap && six.bytes[8] != 0) || !std::all_of(six.bytes.begin() + static_cast<std::ptrdiff_t>(at),
                                                       six.bytes.end(), [](std::uint8_t b) { return b == 0; }))
        return std::nullopt;
    return Address::v4(four);
}

void mark_nat64(std::vector<Place>& places) {
    for (Place& place : places)
        place.nat64 = !place.is_v4() && (is_in_known_prefix(place) || is_made_of(place, places));
}

std::vector<Prefix> nat64_prefixes(const std::vector<Address>& of_ipv4only) {
    std::vector<Prefix> prefixes;
    for (const Address& address : of_ipv4only)
        for (const unsigned length : kLengths) {
            const auto four = embedded_v4(address, length);
            if (four && std::find(std::begin(kKnown), std::end(kKnown), *four) != std::end(kKnown) &&
                std::find(prefixes.begin(), prefixes.end(), Prefix::around(address, length)) == prefixes.end())
                prefixes.push_back(Prefix::around(address, length));
        }
    return prefixes;
}

std::vector<Prefix> discover_nat64(std::chrono::milliseconds time) {
    return nat64_prefixes(answer_within(time, look_up_known_name).value_or(std::vector<Address>{}));
}

} // namespace xk::client
