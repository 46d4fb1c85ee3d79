// SPDX-License-Identifier: MIT
//
// What the worker's messages mean as events. The worker is not trusted: whatever bytes its numbers are made of, they
// become an event of known names and sane numbers, or nothing, and then the worker is ended. All names come from the
// configuration that this process read itself. Pure.
#pragma once

#include "daemon/authz/event.h"
#include "daemon/authz/policy.h"
#include "daemon/privsep/messages.h"

#include <optional>
#include <vector>

namespace xk::events {

// knock_accepted, or knock_refused and, where it locked the credential for a while, locked. Nothing: the message makes
// no sense. A credential that a reload has taken away meanwhile is in the event without a name.
std::optional<std::vector<authz::Event>> events_of(const privsep::Outcome& message, const authz::Policy& policy,
                                                   const Now& now);

// refusals_suppressed, knocks_suppressed, or both. Nothing: the message makes no sense.
std::optional<std::vector<authz::Event>> events_of(const privsep::Suppressed& message, const Now& now);

// clock_wrong, clock_right, or locked (until somebody unlocks it). `credential`: null where nobody has its id any more.
authz::Event event_of(privsep::NoticeKind kind, const authz::Credential* credential, const Now& now);

} // namespace xk::events
