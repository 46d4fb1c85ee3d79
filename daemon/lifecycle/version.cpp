// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/version.h"

namespace xk {

const char kProductVersion[] = XK_VERSION;

} // namespace xk
