// SPDX-License-Identifier: MIT
//
// An event of the daemon itself, which has no user and no address.
#pragma once

#include "daemon/authz/event.h"

#include <string>
#include <utility>

namespace xk {

inline authz::Event event_of(authz::EventKind kind, const Now& now, std::string detail = {}, std::uint64_t count = 0) {
    authz::Event event;
    event.kind = kind;
    event.at = now;
    event.detail = std::move(detail);
    event.count = count;
    return event;
}

} // namespace xk
