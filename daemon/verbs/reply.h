// SPDX-License-Identifier: MIT
//
// What a verb answers with: one JSON object, made at once, or a list that is made row by row while other things happen.
#pragma once

#include "daemon/control/server.h"
#include "daemon/verbs/verb.h"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace xk::verbs {

// A reply that is one list. Between two rows anything may change, a reload included: `next` keeps the place where it
// is (the last key, or a share of what it lists), and never a reference into what it lists.
struct Rows {
    std::string name;
    std::function<std::optional<nlohmann::json>(const Now&)> next; // nothing: that was the last one
    nlohmann::json more = nlohmann::json::object();                // fields beside the list
};

// Text of a foreign encoding must not end the daemon: what is not UTF-8 is replaced.
control::Answer answer_json(const nlohmann::json& reply);
control::Answer answer_rows(Rows rows, Clock clock);
control::Answer answer_error(const Error& error); // {"error": ..., "hint": ..., "exit": code}

// Rounded up; none where it is over.
std::int64_t seconds_left(BootTime until, BootTime now);
// The same; null: for ever.
nlohmann::json time_left(const std::optional<BootTime>& until, BootTime now);
// "2026-11-21T10:20:30Z"; null where there is none.
nlohmann::json utc_or_null(const std::optional<WallTime>& time);

} // namespace xk::verbs
