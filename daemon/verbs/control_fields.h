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
#include <functional>
#include <optional>
#include <string>

namespace xk {

// Each verb gets the request and gives the reply; an Error becomes {"error": ...}.
using Reply = Result<nlohmann::json>;

// A reply that is one list, which may be long: it is made row by row, and between two rows things may change.
struct Rows {
    std::string name;
    std::function<std::optional<nlohmann::json>()> next; // nothing: that was the last
    nlohmann::json more = nlohmann::json::object();      // fields beside the list
};

std::int64_t seconds_left(BootTime until, BootTime now);

// "seconds", where the request has it: more than none, and no more than a grant or a ban can be given.
Result<std::optional<std::chrono::seconds>> seconds_of(const nlohmann::json& request);

} // namespace xk
