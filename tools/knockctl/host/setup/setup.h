// SPDX-License-Identifier: MIT
//
// knockctl setup: from an installed package to a gate that is proved to let its user in. Every step can be cut off, and
// the next run goes on; no port stays shut before a connection came by a knock.
#pragma once

#include "tools/knockctl/control.h"
#include "tools/knockctl/setup_options.h"

namespace xk::tools {

// Returns the exit code.
int set_up(const SetupOptions& options, const Control& control);

} // namespace xk::tools
