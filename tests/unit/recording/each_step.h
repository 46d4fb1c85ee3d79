// SPDX-License-Identifier: MIT
#pragma once

#include "tests/unit/recording/faults.h"

#include <doctest/doctest.h>

#include <functional>

namespace xk::test {

// Runs an operation as often as it has steps, each time with another step failing, until it succeeds. `snapshot` checks
// what must hold at any time, and returns everything that a failed operation must leave as it was.
template <typename Snapshot>
void fail_at_each_step(Faults& faults, Snapshot snapshot, const std::function<bool()>& operation) {
    for (std::size_t step = 1;; ++step) {
        const auto before = snapshot();
        faults.fail_at(step);
        const bool done = operation();
        const bool struck = faults.struck();
        faults.none();
        const auto after = snapshot();
        CHECK(done == !struck);
        if (!struck) {
            CHECK(step > 1); // it had a step that could fail
            return;
        }
        CHECK(after == before);
    }
}

} // namespace xk::test
