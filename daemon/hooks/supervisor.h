// SPDX-License-Identifier: MIT
//
// The first process of xknock-hooks. It becomes the hooks' user for good and starts a Runner as its child, again each
// time the Runner ends. It is needed because xknockd cannot start a process of another user any more. It reads only its
// set-up and does nothing else, so that no hook can end it.
#pragma once

#include "daemon/privsep/channel.h"
#include "protocol/base/result.h"

namespace xk::hooks {

// Changes user and capabilities and gives up xknockd's protection from the OOM killer. It cannot be undone.
Result<void> set_up(const privsep::Channel& channel);

// Returns when xknockd closes the channel.
Result<void> supervise_runner(const privsep::Channel& channel);

} // namespace xk::hooks
