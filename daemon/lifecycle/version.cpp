// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/version.h"

namespace xk {

const char kNameAndVersion[] = "xknockd " XK_VERSION;

} // namespace xk
