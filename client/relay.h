// SPDX-License-Identifier: MIT
//
// The relay of a ProxyCommand: it copies standard input to the connected socket, and the socket to standard output.
#pragma once

#include "protocol/base/fd.h"
#include "protocol/base/result.h"

namespace xk::client {

// Until both directions are closed. The end of one direction is passed on and the other goes on (half-closed TCP).
// Where nobody reads `out` and nobody writes to `in` any more, the server is not waited for.
Result<void> relay(Fd socket, int in, int out);

} // namespace xk::client
