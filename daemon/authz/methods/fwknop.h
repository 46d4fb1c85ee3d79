// SPDX-License-Identifier: MIT
//
// The method of fwknop's client (docs/modes.md): one UDP packet that names nobody. It is tried with the keys of each
// device of the kind (no more than kMostFwknopDevices), the HMAC first.
#pragma once

#include "daemon/authz/method.h"

namespace xk::authz {

std::unique_ptr<Method> make_fwknop_method(const MethodParts& parts);

} // namespace xk::authz
