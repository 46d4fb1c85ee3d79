// SPDX-License-Identifier: MIT
#include "protocol/sequence.h"

#include "protocol/otp.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <string>

namespace xk::sequence {
namespace {

constexpr char kContext[] = "xk1_seqn";
constexpr std::size_t kDrawn = crypto_kdf_BYTES_MAX / 2; // numbers in the derived bytes

} // namespace

std::vector<std::uint16_t> strong_ports(const Key& key, Slot slot, std::size_t count) {
    if (count < kFewestStrongPorts || count > kMostPorts)
        std::abort();
    Bytes<crypto_kdf_BYTES_MAX> drawn;
    const Wiped wiped(drawn);
    crypto_kdf_derive_from_key(drawn.data(), drawn.size(), slot, kContext, key.data());
    std::vector<std::uint16_t> ports;
    ports.reserve(count);
    const auto taken = [&ports](std::uint16_t port) { return std::ranges::find(ports, port) != ports.end(); };
    for (std::size_t i = 0; i < kDrawn && ports.size() < count; ++i) {
        const unsigned number = load_be<std::uint16_t>(std::span(drawn).subspan(2 * i).first<2>()) % kPorts;
        if (const auto port = static_cast<std::uint16_t>(kFirstPort + number); !taken(port))
            ports.push_back(port);
    }
    // After 32 numbers of 8,192 ten different ones are there but for one time in 10^60.
    for (std::uint16_t port = kFirstPort; ports.size() < count; ++port)
        if (!taken(port))
            ports.push_back(port);
    return ports;
}

// The code as a number of three bytes, big-endian, is the key of HOTP codes with the counters 0, 1, 2 and so on.
std::vector<std::uint16_t> clock_ports(std::string_view code, std::size_t count) {
    constexpr unsigned kDigits = 6;
    std::uint32_t number = 0;
    const auto [end, error] = std::from_chars(code.data(), code.data() + code.size(), number);
    if (code.size() != kDigits || error != std::errc{} || end != code.data() + code.size() || count == 0 ||
        count > kMostPorts)
        return {};
    const Bytes<3> key{static_cast<std::uint8_t>(number >> 16), static_cast<std::uint8_t>(number >> 8),
                       static_cast<std::uint8_t>(number)};
    std::vector<std::uint16_t> ports;
    ports.reserve(count);
    for (std::size_t i = 0; i < count; ++i)
        ports.push_back(clock_port(static_cast<std::uint32_t>(std::stoul(totp_code(key, i, kDigits)))));
    return ports;
}

} // namespace xk::sequence
