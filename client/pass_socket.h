// SPDX-License-Identifier: MIT
//
// For ssh's ProxyUseFdpass: hands the connected socket to ssh and leaves. No process stands in the data path then.
#pragma once

#include "protocol/base/fd.h"
#include "protocol/base/result.h"

namespace xk::client {

// Whether `output` is a socket that can carry a descriptor; otherwise an error that says what to write into ssh_config.
Result<void> check_can_pass(int output);

// Sends one byte with the descriptor (SCM_RIGHTS), as ssh expects it.
Result<void> pass_socket(const Fd& socket, int output);

} // namespace xk::client
