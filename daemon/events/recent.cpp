// SPDX-License-Identifier: MIT
#include "daemon/events/recent.h"

#include "daemon/events/event_json.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <functional>
#include <iterator>
#include <vector>

namespace xk::events {

void RecentEvents::on_event(const authz::Event& event) {
    OfKind& kind = kinds_[std::min(static_cast<std::size_t>(event.kind), authz::kEventKinds)];
    kind.events.push_back({next_++, event});
    const std::size_t bytes = size_of(kind.events.back().event);
    kind.bytes += bytes;
    bytes_ += bytes;
    ++size_;
    while (size_ > kMostEvents || bytes_ > kMostBytes)
        drop_one();
}

void RecentEvents::drop_one() {
    const bool are_many = size_ > kMostEvents;
    const auto share = [&](const OfKind& kind) { return are_many ? kind.events.size() : kind.bytes; };
    OfKind& most = *std::ranges::max_element(kinds_, {}, share);
    const std::size_t bytes = size_of(most.events.front().event);
    most.bytes -= bytes;
    bytes_ -= bytes;
    --size_;
    most.events.pop_front();
}

const RecentEvents::Numbered* RecentEvents::after(std::uint64_t number) const {
    const Numbered* next = nullptr;
    for (const OfKind& kind : kinds_) {
        const auto found = std::ranges::upper_bound(kind.events, number, {}, &Numbered::number);
        if (found != kind.events.end() && (next == nullptr || found->number < next->number))
            next = &*found;
    }
    return next;
}

std::uint64_t RecentEvents::before_last(std::size_t last) const {
    std::vector<std::uint64_t> numbers;
    for (const OfKind& kind : kinds_)
        std::ranges::transform(kind.events, std::back_inserter(numbers), &Numbered::number);
    std::ranges::sort(numbers, std::greater());
    return last < numbers.size() ? numbers[last] : numbers.empty() ? 0 : numbers.back() - 1;
}

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
