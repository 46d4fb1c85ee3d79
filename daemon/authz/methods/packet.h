// SPDX-License-Identifier: MIT
//
// The method of docs/protocol.md: one UDP packet of 192 bytes with a tag that finds its credential, a MAC, and a sealed
// request. Does steps 1 to 3 of "The judgement".
#pragma once

#include "daemon/authz/method.h"

namespace xk::authz {

std::unique_ptr<Method> make_packet_method(const MethodParts& parts);

} // namespace xk::authz
