// SPDX-License-Identifier: MIT
//
// The ports of a sequence: a client that can only send to ports knocks with the numbers of the ports and their order.
// Both ends compute the same ports (docs/protocol.md, "Sequences"). Ports are in host order.
//
// Two kinds. A *strong* sequence follows from a key of the credential and the slot; nobody can search for the key. A
// *c-lock* sequence follows from a six-digit code alone, as the client of that project computes it, so an attacker
// needs no more than one of a million guesses.
#pragma once

#include "protocol/keys.h"

#include <cstdint>
#include <string_view>
#include <vector>

namespace xk::sequence {

inline constexpr std::size_t kMostPorts = 10;

// The ports of a strong sequence lie in a range of 8,192, so each of them is worth 13 bits. The range is below the
// ports that Linux takes for connections of its own (32768 to 60999, ip_local_port_range), so that no answer to one of
// those looks like a part of a sequence.
inline constexpr std::uint16_t kFirstPort = 24576;
inline constexpr std::uint16_t kPorts = 8192;
inline constexpr unsigned kBitsPerPort = 13;
inline constexpr std::size_t kStrongPorts = 6; // by default: 78 bits
inline constexpr std::size_t kFewestStrongPorts = 5;

// The ports of one slot, all different, so that a port that comes twice is a copy. `key` is the credential's subkey 4.
// `count` is kFewestStrongPorts to kMostPorts; other numbers abort.
std::vector<std::uint16_t> strong_ports(const Key& key, Slot slot, std::size_t count);

inline constexpr std::size_t kClockPorts = 4; // what c-lock's server always expects
inline constexpr std::uint16_t kFirstClockPort = 1024;

// The port that a HOTP code of six digits stands for. `drawn` is below 10^6.
constexpr std::uint16_t clock_port(std::uint32_t drawn) {
    return static_cast<std::uint16_t>(kFirstClockPort + std::uint64_t{drawn} * (65536 - kFirstClockPort) / 1'000'000);
}

// The ports that c-lock's client sends for a code. Two of them may be the same. Nothing if `code` is not six decimal
// digits or `count` is not 1 to kMostPorts. The code is that of RFC 6238
// (protocol/otp.h), made with the secret that the user has in c-lock.
std::vector<std::uint16_t> clock_ports(std::string_view code, std::size_t count = kClockPorts);

} // namespace xk::sequence
