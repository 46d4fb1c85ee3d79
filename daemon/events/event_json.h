// SPDX-License-Identifier: MIT
//
// An event as JSON and back. The names of the fields are those of docs/control.md, "events". They never change. An
// empty field is left out.
#pragma once

#include "daemon/authz/event.h"
#include "protocol/base/result.h"

#include <nlohmann/json_fwd.hpp>

namespace xk::events {

nlohmann::json json_of(const authz::Event& event);

// It is an error where `json` is no object, a field has the wrong type, a name is unknown or an address is malformed.
// Unknown fields are ignored, so that an older program can read the events of a newer one. Texts are bounded.
Result<authz::Event> event_of(const nlohmann::json& json);

} // namespace xk::events
