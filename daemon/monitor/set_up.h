// SPDX-License-Identifier: MIT
//
// The first words between xknockd and the worker: what it needs before it gives up its rights, and its report that it
// has.
#pragma once

#include "daemon/privsep/messages.h"
#include "daemon/privsep/spawn.h"
#include "protocol/base/result.h"

#include <chrono>
#include <span>
#include <string>

namespace xk {

// The worker's fault; the daemon ends with it.
Error worker_error(const std::string& what);

// Sends Setup with its descriptors (messages.h) and waits for Ready, whose `begin` is one of messages.h; its `fit`
// is any number.
Result<privsep::Ready> set_up_worker(const privsep::Child& worker, const privsep::Setup& setup,
                                     std::span<const int> fds,
                                     std::chrono::milliseconds patience = std::chrono::seconds(10));

} // namespace xk
