// SPDX-License-Identifier: MIT
#include "client/keep.h"

#include <doctest/doctest.h>

using namespace xk::client;
using namespace std::chrono_literals;

namespace {

using Clock = std::chrono::steady_clock;
const Clock::time_point kStart{1h};

KeepState knocked(std::chrono::seconds lifetime) {
    KeepState state;
    state.last_knock = kStart;
    state.lifetime = lifetime;
    state.every = 24h;
    return state;
}

} // namespace

TEST_CASE("the next knock comes at half of the lifetime, also of an odd one") {
    CHECK(next_knock(knocked(300s)) == kStart + 150s);
    CHECK(next_knock(knocked(5s)) == kStart + 2500ms);
}

TEST_CASE("a knock comes every so often, whatever lifetime was asked for") {
    KeepState state = knocked(3600s);
    state.every = 15s;
    CHECK(next_knock(state) == kStart + 15s);
    state.lifetime = 10s;
    CHECK(next_knock(state) == kStart + 5s);
}

TEST_CASE("a change of the network brings it forward, and never puts it off") {
    KeepState state = knocked(300s);
    state.last_change = kStart + 10s;
    CHECK(next_knock(state) > kStart + 10s);
    CHECK(next_knock(state) < kStart + 11s);
    state.last_change = kStart + 200s;
    CHECK(next_knock(state) == kStart + 150s);
}

TEST_CASE("failures are repeated at growing pauses of half a minute at most") {
    KeepState state = knocked(3600s);
    state.last_failure = kStart + 100s;
    for (const auto& [failures, pause] : {std::pair(1U, 1s), {2U, 2s}, {5U, 16s}, {6U, 30s}, {1000U, 30s}}) {
        state.failures = failures;
        CHECK(next_knock(state) == kStart + 100s + pause);
    }
    state.last_change = kStart + 101s;
    CHECK(next_knock(state) < kStart + 102s);
}
