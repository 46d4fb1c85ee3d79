// SPDX-License-Identifier: MIT
//
// The method of docs/protocol.md, "Sequences": ports of this host, in an order that follows from the credential's key
// and the slot. The filter has followed them; here they are derived again and compared.
#pragma once

#include "daemon/authz/method.h"

namespace xk::authz {

std::unique_ptr<Method> make_sequence_method(const MethodParts& parts);

} // namespace xk::authz
