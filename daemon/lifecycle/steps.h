// SPDX-License-Identifier: MIT
//
// Steps that are done in order, and undone in reverse where one of them fails. Start and reload are made of them.
#pragma once

#include "protocol/base/result.h"

#include <functional>
#include <span>

namespace xk {

struct Step {
    std::function<Result<void>()> carry_out; // changes nothing where it fails
    std::function<void()> undo;              // empty: there is nothing to undo
};

// The error of the step that failed; those before it are undone then, the last one first.
Result<void> carry_out(std::span<const Step> steps);

} // namespace xk
