// SPDX-License-Identifier: MIT
//
// What knockctl can ask for: JSON in, JSON out (docs/control.md). Readers may look, admins may do.
#pragma once

#include "daemon/control/server.h"

#include <string>

namespace xk {

class Daemon;

control::Answer answer(Daemon& daemon, control::Role role, const std::string& request);

} // namespace xk
