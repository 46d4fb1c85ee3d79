// SPDX-License-Identifier: MIT
//
// The service manager's notification protocol (sd_notify(3), "Notes": it is stable and made to be implemented
// without libsystemd). Written here, because that library would bring compression libraries and their history into
// the privileged process for one datagram; OpenSSH does the same since 9.8.
#pragma once

#include "protocol/base/fd.h"

#include <string>

namespace xk {

// Sends "READY=1" and the like to $NOTIFY_SOCKET; does nothing without one. A descriptor goes with it for the file
// descriptor store (FDSTORE=1), where it outlives us.
void notify(const std::string& state, int fd = -1);

// The descriptor that the service manager kept for us under this name (sd_listen_fds_with_names(3)), if there is one.
// It is ours from then on; to be asked once.
Fd kept_descriptor(const std::string& name);

} // namespace xk
