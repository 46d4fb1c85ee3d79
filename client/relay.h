// SPDX-License-Identifier: MIT
//
// What a ProxyCommand does once the connection stands: bytes from standard input to the socket and back.
#pragma once

#include "protocol/base/fd.h"
#include "protocol/base/result.h"

namespace xk::client {

// Until both directions are closed. The end of one direction is passed on and the other goes on (half-closed TCP).
Result<void> relay(Fd socket, int in, int out);

} // namespace xk::client
