// SPDX-License-Identifier: MIT
//
// What this machine knows of its own clock, without asking the network: a server that is silent says nothing of it. The
// words claim no more than is known. Two clocks that differ are not told apart; a person has a third one on the wrist.
#pragma once

#include "client/profile.h"

#include <ctime>
#include <optional>
#include <string>

namespace xk::client {

struct ClockFacts {
    std::time_t now = 0;
    bool is_synchronised = false;        // the kernel says that something keeps the clock right (adjtimex(2))
    std::optional<std::time_t> hardware; // of the clock that runs while the machine is off
    std::time_t past = 0;                // a moment that is over: when `event` was, by this machine's clock
    std::string event;
};

// `root` is "" but for tests.
ClockFacts read_clock_facts(const Profile& profile, const std::string& root = "");

// Nothing keeps the clock right, and another time of this machine contradicts it.
bool is_clock_doubtful(const ClockFacts& facts);

// "1 d 2 h", "3 min 20 s": the length of a span, whichever its sign.
std::string span_text(std::time_t seconds);

// Ends the sentence "this machine's clock is ...".
std::string clock_words(const ClockFacts& facts);

// What to do about a clock that is doubtful.
std::string clock_remedy();

} // namespace xk::client
