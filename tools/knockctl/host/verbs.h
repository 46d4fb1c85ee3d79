// SPDX-License-Identifier: MIT
//
// The verbs of knockctl that run on the host itself.
#pragma once

#include "tools/knockctl/host_verbs.h"

namespace xk::tools {

extern const HostVerbs kHostVerbs;

} // namespace xk::tools
