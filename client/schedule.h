// SPDX-License-Identifier: MIT
//
// Schedule: when the packets and attempts of one address are due.
#pragma once

#include <chrono>
#include <cstddef>
#include <vector>

namespace xk::client {

struct Step {
    std::chrono::milliseconds at; // after the first packet
    enum class What { fresh, other_mode, copy, attempt } what;
};

// The steps in the order of their times. Where `person` is false the first attempt leaves with the packet.
std::vector<Step> schedule();

// How long one address has its turn while others wait, in the first, second … pass over all of them.
std::chrono::milliseconds turn_of_pass(std::size_t pass);

// An attempt that begins so late after the packet meets an open pinhole. A reset of it means that nobody listens.
inline constexpr std::chrono::milliseconds kOpenBy{15};
// A service that is just starting has so long after the first packet until it listens, and a packet that was lost or in
// the wrong address mode was sent anew by then. A reset of an attempt that begins later is the last word.
inline constexpr std::chrono::milliseconds kStarts{1500};

} // namespace xk::client
