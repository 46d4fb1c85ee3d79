// SPDX-License-Identifier: MIT
//
// The first messages between xknockd and the worker: Setup brings what the worker needs before it gives up its rights,
// and Ready reports that it has given them up.
#pragma once

#include "daemon/privsep/messages.h"
#include "daemon/privsep/spawn.h"
#include "protocol/base/result.h"

#include <chrono>
#include <span>
#include <string>

namespace xk {

// An error that is the worker's fault; the daemon ends with it.
Error worker_error(const std::string& what);

// Sends Setup with its descriptors (messages.h) and waits for Ready. `begin` of the result is a value of messages.h;
// `fit` is unchecked.
Result<privsep::Ready> set_up_worker(const privsep::Child& worker, const privsep::Setup& setup,
                                     std::span<const int> fds,
                                     std::chrono::milliseconds patience = std::chrono::seconds(10));

} // namespace xk
