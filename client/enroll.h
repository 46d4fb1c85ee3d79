// SPDX-License-Identifier: MIT
//
// The verb enroll: brings a profile here, over the ssh that still works or out of a bundle, and says what comes next.
#pragma once

#include "client/arguments.h"

namespace xk::client {

int run_enroll(const Arguments& arguments);

} // namespace xk::client
