// SPDX-License-Identifier: MIT
//
// What the verbs of the control socket have in common: the form of a reply, and fields that several of them read or
// give.
#pragma once

#include "protocol/base/clock.h"
#include "protocol/base/result.h"

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdint>
#include <optional>

namespace xk {

// Each verb gets the request and gives the reply; an Error becomes {"error": ...}.
using Reply = Result<nlohmann::json>;

std::int64_t seconds_left(BootTime until, BootTime now);

// "seconds", where the request has it: more than none, and no more than a grant or a ban can be given.
Result<std::optional<std::chrono::seconds>> seconds_of(const nlohmann::json& request);

} // namespace xk
