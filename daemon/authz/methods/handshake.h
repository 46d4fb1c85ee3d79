// SPDX-License-Identifier: MIT
//
// The last packet of a knock by handshake. Its keys come from the session that our answer began.
#pragma once

#include "daemon/authz/method.h"

namespace xk::authz {

std::unique_ptr<Method> make_handshake_method(const MethodParts& parts);

} // namespace xk::authz
