// SPDX-License-Identifier: MIT
//
// The first process of xknock-hooks: becomes the hooks' user for good, and keeps a Runner alive as its child. It runs
// nothing and reads nothing but its set-up, so that what ends the Runner does not end the hooks: xknockd has given up
// the right to start another user's process by then.
#pragma once

#include "daemon/privsep/channel.h"
#include "protocol/base/result.h"

namespace xk::hooks {

// Irreversible: user, capabilities, and what was inherited of xknockd's favours.
Result<void> begin(const privsep::Channel& channel);

// Until xknockd closes the channel.
Result<void> supervise(const privsep::Channel& channel);

} // namespace xk::hooks
