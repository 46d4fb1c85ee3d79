// SPDX-License-Identifier: MIT
#include "client/stun.h"

#include "client/answer_within.h"
#include "protocol/base/fd.h"
#include "protocol/base/quote.h"

#include <poll.h>
#include <sodium.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace xk::client {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// RFC 8489, sections 5, 14.1 and 14.2.
constexpr std::uint16_t kBindingRequest = 0x0001, kBindingSuccess = 0x0101, kXorMappedAddress = 0x0020;
constexpr Bytes<4> kCookie = {0x21, 0x12, 0xa4, 0x42};
constexpr std::size_t kHeader = 20, kAttributeHeader = 4;
constexpr std::uint8_t kFamilyV4 = 1, kFamilyV6 = 2;
constexpr std::uint16_t kDefaultPort = 3478;
constexpr milliseconds kAgain{200}; // against loss

std::uint16_t number_at(std::span<const std::uint8_t> bytes, std::size_t at) {
    return static_cast<std::uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

// The bytes that the address is covered with: cookie, then transaction.
Bytes<16> cover_of(const StunId& id) {
    Bytes<16> cover;
    std::copy(id.begin(), id.end(), std::copy(kCookie.begin(), kCookie.end(), cover.begin()));
    return cover;
}

std::optional<Address> xor_mapped(std::span<const std::uint8_t> value, const StunId& id) {
    const bool v4 = value.size() == 8 && value[1] == kFamilyV4;
    if (!v4 && (value.size() != 20 || value[1] != kFamilyV6))
        return std::nullopt;
    const Bytes<16> cover = cover_of(id);
    Bytes<16> plain{};
    for (std::size_t i = 0; i < value.size() - 4; ++i)
        plain[i] = value[4 + i] ^ cover[i];
    return v4 ? Address::v4(plain[0], plain[1], plain[2], plain[3]) : Address{plain};
}

// Sends the request every 200 ms until an answer or the end.
std::optional<Address> exchange(const Fd& socket, milliseconds time) {
    StunId id;
    randombytes_buf(id.data(), id.size());
    const StunRequest request = stun_request(id);
    const auto end = Clock::now() + time;
    for (auto next = Clock::now(); Clock::now() < end;) {
        if (Clock::now() >= next) {
            next += kAgain;
            (void)!::send(socket.get(), request.data(), request.size(), 0); // the next one may get out
        }
        const auto left = std::chrono::ceil<milliseconds>(std::min(next, end) - Clock::now());
        pollfd ready{socket.get(), POLLIN, 0};
        if (::poll(&ready, 1, static_cast<int>(std::max(left, milliseconds(0)).count())) <= 0)
            continue;
        std::array<std::uint8_t, 1500> message;
        const ssize_t n = ::recv(socket.get(), message.data(), message.size(), 0);
        if (n < 0) // nobody there
            return std::nullopt;
        if (auto answer = stun_answer(std::span(message).first(static_cast<std::size_t>(n)), id))
            return answer;
    }
    return std::nullopt;
}

} // namespace

StunRequest stun_request(const StunId& id) {
    StunRequest request{};
    request[1] = kBindingRequest;
    std::copy(id.begin(), id.end(), std::copy(kCookie.begin(), kCookie.end(), request.begin() + 4));
    return request;
}

std::optional<Address> stun_answer(std::span<const std::uint8_t> message, const StunId& id) {
    if (message.size() < kHeader || number_at(message, 0) != kBindingSuccess ||
        number_at(message, 2) != message.size() - kHeader || !std::equal(kCookie.begin(), kCookie.end(), &message[4]) ||
        !std::equal(id.begin(), id.end(), &message[8]))
        return std::nullopt;
    for (std::size_t at = kHeader; at + kAttributeHeader <= message.size();) {
        const std::size_t length = number_at(message, at + 2);
        if (at + kAttributeHeader + length > message.size())
            return std::nullopt;
        if (number_at(message, at) == kXorMappedAddress)
            return xor_mapped(message.subspan(at + kAttributeHeader, length), id);
        at += kAttributeHeader + (length + 3) / 4 * 4;
    }
    return std::nullopt;
}

std::optional<std::pair<std::string, std::uint16_t>> stun_server(const std::string& text) {
    const auto colon = text.rfind(':');
    const bool literal = text.find(':') != colon && (text.front() != '[' || text.back() == ']'); // IPv6 without a port
    if (colon == text.npos || literal)
        return text.empty() ? std::nullopt : std::optional(std::pair(text, kDefaultPort));
    std::uint16_t port = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, code] = std::from_chars(text.data() + colon + 1, end, port);
    if (code != std::errc{} || stop != end || port == 0 || colon == 0)
        return std::nullopt;
    return std::pair(text.substr(0, colon), port);
}

Result<std::vector<Place>> resolve_soon(const std::string& host, Family family) {
    auto found = answer_within(kStunPatience, [host, family] { return resolve(host, family); });
    return found ? *std::move(found) : Error{"no name server answers for " + in_quotes(host), {}};
}

std::optional<Address> ask_stun(const std::string& server, const Address& local, milliseconds time,
                                const LookUp& look_up) {
    const auto where = stun_server(server);
    if (!where)
        return std::nullopt;
    const auto places = look_up(where->first, local.is_v4() ? Family::ipv4 : Family::ipv6);
    const Fd socket(::socket(local.is_v4() ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!places || !socket)
        return std::nullopt;
    sockaddr_storage address;
    socklen_t size = local.to_sockaddr(address, 0);
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0)
        return std::nullopt;
    size = places->front().to_sockaddr(address, where->second);
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0)
        return std::nullopt;
    return exchange(socket, time);
}

} // namespace xk::client
