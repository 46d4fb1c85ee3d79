// SPDX-License-Identifier: MIT
#include "daemon/verbs/reply.h"

#include "daemon/log.h"

#include <algorithm>

namespace xk::verbs {

using nlohmann::json;

namespace {

std::string text_of(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

} // namespace

control::Reply json_reply(const json& reply) { return text_of(reply); }

control::Reply rows_reply(Rows rows, Clock clock) {
    std::string head = "{";
    for (const auto& [name, value] : rows.more.items())
        head += text_of(name) + ":" + text_of(value) + ",";
    head += text_of(rows.name) + ":[";
    return {head, [next = std::move(rows.next), now = std::move(clock), first = true](std::string& out) mutable {
                const auto row = next(now());
                if (row)
                    out += (first ? "" : ",") + text_of(*row);
                else
                    out += "]}";
                first = false;
                return row.has_value();
            }};
}

control::Reply error_reply(const Error& error) {
    return json_reply({{"error", error.message}, {"hint", error.hint}, {"exit", static_cast<int>(error.exit)}});
}

std::int64_t seconds_left(BootTime until, BootTime now) {
    return std::max<std::int64_t>(0, std::chrono::ceil<std::chrono::seconds>(until - now).count());
}

json time_left(const std::optional<BootTime>& until, BootTime now) {
    return until ? json(seconds_left(*until, now)) : json();
}

json utc_or_null(const std::optional<WallTime>& time) { return time ? json(log::utc(*time)) : json(); }

} // namespace xk::verbs
