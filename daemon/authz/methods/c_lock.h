// SPDX-License-Identifier: MIT
//
// The method of docs/protocol.md, "c-lock": ports that follow from the device's code. The filter has followed them;
// here they are derived again and compared. The code is used up, as if it had been typed.
#pragma once

#include "daemon/authz/method.h"

namespace xk::authz {

std::unique_ptr<Method> make_c_lock_method(const MethodParts& parts);

} // namespace xk::authz
