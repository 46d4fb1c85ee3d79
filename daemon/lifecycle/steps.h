// SPDX-License-Identifier: MIT
//
// Steps that are carried out in order. If one of them fails, those before it are undone in reverse order. Start and
// reload consist of such steps.
#pragma once

#include "protocol/base/result.h"

#include <functional>
#include <span>

namespace xk {

struct Step {
    std::function<Result<void>()> carry_out; // must change nothing if it fails
    std::function<void()> undo;              // empty: there is nothing to undo
};

// Returns the error of the step that failed.
Result<void> carry_out(std::span<const Step> steps);

} // namespace xk
