// SPDX-License-Identifier: MIT
//
// Turns the worker's messages into events. The worker is not trusted: any bytes become either an event with known names
// and numbers within bounds, or nothing. In the second case the caller ends the worker. All names come from the
// configuration that this process read itself. The functions are pure.
#pragma once

#include "daemon/authz/event.h"
#include "daemon/authz/policy.h"
#include "daemon/privsep/messages.h"

#include <optional>
#include <vector>

namespace xk::events {

// Returns knock_accepted, or knock_refused. If a refused knock locked the credential for a while, `locked` follows.
// Returns nothing where the message makes no sense. If a reload has removed the credential meanwhile, the event has no
// name for it.
std::optional<std::vector<authz::Event>> events_of(const privsep::Outcome& message, const authz::Policy& policy,
                                                   const Now& now);

// Returns refusals_suppressed, knocks_suppressed, or both; nothing where the message makes no sense.
std::optional<std::vector<authz::Event>> events_of(const privsep::Suppressed& message, const Now& now);

// Returns clock_wrong, clock_right, or locked (until the operator unlocks it). `credential` is null where the
// configuration does not have its id any more.
authz::Event event_of(privsep::NoticeKind kind, const authz::Credential* credential, const Now& now);

} // namespace xk::events
