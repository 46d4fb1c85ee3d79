// SPDX-License-Identifier: MIT
//
// Finds copies of a secret that nobody wiped. A program that links xk_left_behind frees memory through it.
#pragma once

#include "protocol/base/bytes.h"

#include <functional>

namespace xk::test {

// Calls `act` on a stack of its own. Whether the stack, or memory that was freed meanwhile, holds `secret` afterwards.
// The secret itself has to be somewhere else.
bool leaves_behind(ByteView secret, const std::function<void()>& act);

} // namespace xk::test
