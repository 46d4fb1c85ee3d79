// SPDX-License-Identifier: MIT
#include "daemon/verbs/clock.h"

#include "daemon/log.h"
#include "daemon/verbs/reply.h"

namespace xk::verbs {
namespace {

using nlohmann::json;

Result<control::Reply> run_clock_accept(HorizonControl& horizon, const Request& request) {
    if (auto done = horizon.accept_clock(); !done)
        return done.error();
    return json_reply({{"accepted", log::utc(request.now.wall)}});
}

Result<control::Reply> run_takeover(HorizonControl& horizon, const ConfigSource& source, const Request& request) {
    if (auto done = horizon.raise_horizon(); !done)
        return done.error();
    const auto skew = source.config()->policy.settings.skew;
    const std::string until = log::utc(request.clock().wall + skew); // read anew, because the worker's answer took time
    request.action.more = until;
    return json_reply({{"refused_until", until}, {"refused_for_s", skew.count()}});
}

std::string no_subject(const json&) { return {}; }

} // namespace

Table clock_verbs(HorizonControl& horizon, const ConfigSource& config) {
    return {{"clock-accept",
             control::Role::admin,
             {},
             [&](const Request& request) { return run_clock_accept(horizon, request); },
             no_subject},
            {"takeover",
             control::Role::admin,
             {},
             [&](const Request& request) { return run_takeover(horizon, config, request); },
             no_subject}};
}

} // namespace xk::verbs
