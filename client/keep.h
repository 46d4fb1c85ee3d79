// SPDX-License-Identifier: MIT
//
// The verb keep: holds a grant open until it is told to stop, for VPNs and long transfers.
#pragma once

#include "client/arguments.h"

#include <chrono>
#include <optional>

namespace xk::client {

int run_keep(const Arguments& arguments);

// When the next knock is due, by what is known. Pure: the times are arguments.
struct KeepState {
    std::chrono::steady_clock::time_point last_knock; // that was sent
    std::chrono::seconds lifetime{0};
    std::chrono::seconds every{0};                                    // the longest time between two
    unsigned failures = 0;                                            // in a row, since then
    std::chrono::steady_clock::time_point last_failure;               // the last of them
    std::optional<std::chrono::steady_clock::time_point> last_change; // of the network, since the last knock
};
std::chrono::steady_clock::time_point next_knock(const KeepState& state);

} // namespace xk::client
