// SPDX-License-Identifier: MIT
//
// The service manager's notification protocol (sd_notify(3), "Notes": it is stable and made to be implemented
// without libsystemd). Written here, because that library would bring compression libraries and their history into
// the privileged process for one datagram; OpenSSH does the same since 9.8.
#pragma once

#include <string>

namespace xk {

// Sends "READY=1" and the like to $NOTIFY_SOCKET; does nothing without one.
void notify(const std::string& state);

} // namespace xk
