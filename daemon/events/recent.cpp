// SPDX-License-Identifier: MIT
#include "daemon/events/recent.h"

#include "daemon/events/event_json.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace xk::events {

void RecentEvents::on_event(const authz::Event& event) {
    events_.push_back({next_++, event});
    bytes_ += size_of(events_.back().event);
    while (events_.size() > kMostEvents || bytes_ > kMostBytes) {
        bytes_ -= size_of(events_.front().event);
        events_.pop_front();
    }
}

const RecentEvents::Numbered* RecentEvents::after(std::uint64_t number) const {
    if (events_.empty() || number >= events_.back().number)
        return nullptr;
    const std::uint64_t first = events_.front().number; // the numbers have no gap
    return &events_[number < first ? 0 : static_cast<std::size_t>(number + 1 - first)];
}

std::uint64_t RecentEvents::before_last(std::size_t last) const { return next_ - 1 - std::min(last, events_.size()); }

std::function<std::optional<nlohmann::json>()> rows_of_recent(const RecentEvents& recent, std::size_t last) {
    const std::uint64_t begin = recent.before_last(last), end = recent.before_last(0);
    return [&recent, number = begin, end]() mutable -> std::optional<nlohmann::json> {
        const RecentEvents::Numbered* const next = recent.after(number);
        if (next == nullptr || next->number > end)
            return std::nullopt;
        number = next->number;
        nlohmann::json row = json_of(next->event);
        row["number"] = number;
        return row;
    };
}

} // namespace xk::events
