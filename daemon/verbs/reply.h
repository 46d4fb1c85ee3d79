// SPDX-License-Identifier: MIT
//
// Makes replies: a JSON object at once, or a list row by row between other work.
#pragma once

#include "daemon/control/server.h"
#include "daemon/verbs/verb.h"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace xk::verbs {

// A reply that is one list. Between two rows anything may change, even the configuration. So `next` keeps its place by
// value (the last key, or a shared pointer to the list), and never by a reference into the list.
struct Rows {
    std::string name;
    std::function<std::optional<nlohmann::json>(const Now&)> next; // none: there are no more rows
    nlohmann::json more = nlohmann::json::object();                // fields beside the list
};

// Bytes that are no UTF-8 are replaced, because the JSON library throws at them, and that would end the daemon.
control::Reply json_reply(const nlohmann::json& reply);
control::Reply rows_reply(Rows rows, Clock clock);
control::Reply error_reply(const Error& error); // {"error": ..., "hint": ..., "exit": code}

// Returns whole seconds, rounded up; 0 where `until` is past.
std::int64_t seconds_left(BootTime until, BootTime now);
// The same, with null for "for ever".
nlohmann::json time_left(const std::optional<BootTime>& until, BootTime now);
// "2026-11-21T10:20:30Z", or null.
nlohmann::json utc_or_null(const std::optional<WallTime>& time);

} // namespace xk::verbs
