// SPDX-License-Identifier: MIT
#include "daemon/events/counters.h"

#include <nlohmann/json.hpp>

namespace xk::events {

using authz::EventKind;

void EventCounters::on_event(const authz::Event& event) {
    const auto kind = static_cast<std::size_t>(event.kind);
    if (kind >= kinds_.size())
        return;
    const bool is_sum = event.kind == EventKind::refusals_suppressed || event.kind == EventKind::knocks_suppressed;
    kinds_[kind] += is_sum ? event.count : 1;
    if (event.reject && *event.reject < authz::Reject::count_)
        ++rejects_[static_cast<std::size_t>(*event.reject)];
    if (event.kind == EventKind::grant_ended && event.cause < authz::EndCause::count_)
        ++causes_[static_cast<std::size_t>(event.cause)];
}

nlohmann::json EventCounters::json() const {
    nlohmann::json kinds, reasons, causes;
    for (std::size_t i = 0; i < kinds_.size(); ++i)
        kinds[std::string(name_of(static_cast<EventKind>(i)))] = kinds_[i];
    for (std::size_t i = 0; i < rejects_.size(); ++i)
        reasons[std::string(name_of(static_cast<authz::Reject>(i)))] = rejects_[i];
    for (std::size_t i = 0; i < causes_.size(); ++i)
        causes[std::string(name_of(static_cast<authz::EndCause>(i)))] = causes_[i];
    return {{"kinds", kinds}, {"reasons", reasons}, {"causes", causes}};
}

} // namespace xk::events
