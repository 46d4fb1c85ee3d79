// SPDX-License-Identifier: MIT
//
// The service manager's notification protocol. sd_notify(3), "Notes", says that it is stable and may be implemented
// without libsystemd. That library would bring compression libraries into the privileged process for one datagram, so
// we do not link it (OpenSSH since 9.8 does not either).
#pragma once

#include "protocol/base/fd.h"

#include <string>

namespace xk {

// Sends a state such as "READY=1" to $NOTIFY_SOCKET, if there is one. With FDSTORE=1 the service manager keeps `fd`
// after this process has ended.
void notify(const std::string& state, int fd = -1);

// Takes the descriptor that the service manager kept under this name (sd_listen_fds_with_names(3)), and closes those of
// other names. Empty where there is none, and at a second call.
Fd kept_descriptor(const std::string& name);

} // namespace xk
