// SPDX-License-Identifier: MIT
//
// What a sequence of ports needs to know before it leaves: when it may begin, how fast it goes, and how a shell sends
// it. All of it is pure; the clock is an argument.
#pragma once

#include "client/addresses.h"
#include "client/profile.h"
#include "protocol/base/clock.h"
#include "protocol/base/result.h"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace xk::client {

// The pause between two ports. A port out of its order resets the sequence at the server. Packets that leave 0.1 ms
// apart may be handled by different processors of the server (receive queues, RPS), or overtake each other on the way
// (links that are used in parallel, Wi-Fi that sends anew). With 20 ms between them they do not, and ten ports still
// take less than a fifth of a second.
inline constexpr std::chrono::milliseconds kSequencePause{20};
// A shell begins a process for each port, and on a small router that takes tens of milliseconds, now more and now less.
// Ten ports still leave in less than a second, before nc repeats the SYN of the first one.
inline constexpr std::chrono::milliseconds kPrintedPause{100};

// How much of its slot must be left behind the last port: for the way to the server, and for a clock that differs.
inline constexpr std::chrono::milliseconds kRoomBehind{1'000};
// How much must be left for a person who types or pastes a printed sequence.
inline constexpr std::chrono::milliseconds kRoomToType{10'000};
// So long after the end of its slot the server still takes a sequence.
inline constexpr std::chrono::seconds kServersGrace{5};

// The time from the first port to the last one. `ports` is at least 1.
std::chrono::milliseconds sequence_length(std::size_t ports, std::chrono::milliseconds pause);

// When something that takes `time` may begin so that it ends in the slot in which it begins: now, or just after the
// next slot has begun. `time` is at most 29 s.
WallTime sequence_start(WallTime now, std::chrono::milliseconds time);

// The ports of c-lock for what somebody gave as the code: blanks around it do not matter. An Error (usage) where it is
// not six digits.
Result<std::vector<std::uint16_t>> code_ports(std::string_view code, std::size_t count);

// An error where the server would wait for a proof besides the ports.
Result<void> check_factor(const Profile& profile);

enum class SequenceBy { udp, tcp };

// One line for a POSIX shell that sends the ports to this address. It needs nc (OpenBSD's, the traditional one, or
// Nmap's) or bash. Its datagrams hold one byte, because no such tool sends an empty one.
std::string shell_line(const Place& server, const std::vector<std::uint16_t>& ports, std::chrono::milliseconds pause,
                       SequenceBy by);

// The ports with blanks between them, in decimal.
std::string ports_text(const std::vector<std::uint16_t>& ports);

} // namespace xk::client
