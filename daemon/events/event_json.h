// SPDX-License-Identifier: MIT
//
// An event as JSON and back. The names of the fields are those of docs/control.md, "events", and stay; a field that has
// nothing to say is left out.
#pragma once

#include "daemon/authz/event.h"
#include "protocol/base/result.h"

#include <nlohmann/json_fwd.hpp>

namespace xk::events {

nlohmann::json json_of(const authz::Event& event);

// Errors: not an object, a field of another type, a name or address that is none. Fields that it does not know are
// passed over, so that an older program reads a newer one's events. Texts are bounded.
Result<authz::Event> event_of(const nlohmann::json& json);

} // namespace xk::events
