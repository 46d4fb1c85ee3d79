// SPDX-License-Identifier: MIT
//
// The method of capyknock's clients (docs/modes.md): one UDP packet of JSON that names its user and carries a sealed
// request with a code. The device's file says which name, target and port its packets have.
#pragma once

#include "daemon/authz/method.h"

namespace xk::authz {

std::unique_ptr<Method> make_capyknock_method(const MethodParts& parts);

} // namespace xk::authz
