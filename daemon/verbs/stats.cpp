// SPDX-License-Identifier: MIT
#include "daemon/verbs/stats.h"

#include "daemon/events/counters.h"
#include "daemon/events/events.h"
#include "daemon/verbs/reply.h"
#include "protocol/request.h"

namespace xk::verbs {
namespace {

using nlohmann::json;

constexpr int kActions = 4; // values of Action, from 1 on

json events_json(const CounterSource& counters) {
    json all = counters.event_counters().json();
    all["dropped"] = counters.events().dropped();
    all["lost"] = json::object();
    for (const events::Events::Lost& sink : counters.events().lost())
        all["lost"][sink.name] = {{"failed", sink.thrown}, {"slow", sink.slow}};
    return all;
}

Result<control::Reply> run_stats(CounterSource& counters) {
    const auto counted = counters.read_filter_counters();
    if (!counted)
        return counted.error();
    json filter = json::object(), refused = json::object(), accepted = json::object();
    for (const auto& [name, count] : *counted)
        filter[std::string(name)] = count;
    const authz::StateHeader header = counters.read_judgement_counters();
    for (std::size_t i = 0; i < authz::kRejects; ++i)
        refused[std::string(name_of(static_cast<authz::Reject>(i)))] = header.rejects[i];
    for (int i = 1; i <= kActions; ++i)
        accepted[std::string(name_of(static_cast<Action>(i)))] = header.accepted[static_cast<std::size_t>(i)];
    return json_reply({{"filter", filter},
                       {"refused", refused},
                       {"accepted", accepted},
                       {"retries", header.retries},
                       {"events", events_json(counters)}});
}

} // namespace

Table stats_verbs(CounterSource& counters) {
    return {{"stats", control::Role::reader, {}, [&](const Request&) { return run_stats(counters); }}};
}

} // namespace xk::verbs
