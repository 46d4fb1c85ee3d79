// SPDX-License-Identifier: MIT
//
// The verb sequence: knocks with ports alone, or prints how another machine does so.
#pragma once

#include "client/arguments.h"

namespace xk::client {

// Returns the exit code.
int run_sequence(const Arguments& arguments);

} // namespace xk::client
