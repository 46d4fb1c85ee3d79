// SPDX-License-Identifier: MIT
//
// Handshakes over the ways of a run. A way whose knocks are packets needs none and counts as answered.
#pragma once

#include "client/greeting.h"
#include "client/story.h"
#include "client/ways.h"

#include <vector>

namespace xk::client {

// Knock::greet() for one way that has a knock. Its hellos and what the server said are told.
Result<bool> greet_way(Way& way, Greeting::Clock::time_point deadline, const Wait& wait, const Story& story);

enum class GreetUntil {
    one_answers, // the first one ends it
    all_had_a_turn,
};
// Greets by turns, as knocks go by turns. An error where no way has an answer in the end.
Result<void> greet_ways(std::vector<Way>& ways, Greeting::Clock::time_point deadline, GreetUntil until,
                        const Wait& wait, const Story& story);

} // namespace xk::client
