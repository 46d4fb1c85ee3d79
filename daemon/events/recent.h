// SPDX-License-Identifier: MIT
//
// RecentEvents keeps the last events in memory, for requests over the control socket. Their number and their bytes are
// bounded: the kind that takes up most loses its oldest event. So a list of twenty thousand bans, or a flood of knocks,
// pushes out no event of a rarer kind. Each event has a number, which only grows, so that a list can be made row by row
// while events come.
#pragma once

#include "daemon/authz/event.h"

#include <nlohmann/json_fwd.hpp>

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>

namespace xk::events {

class RecentEvents : public authz::EventSink {
  public:
    static constexpr std::size_t kMostEvents = 2048, kMostBytes = 2 << 20;

    struct Numbered {
        std::uint64_t number;
        authz::Event event;
    };

    void on_event(const authz::Event& event) override;

    // Returns the first event whose number is larger than `number`; null where there is none.
    const Numbered* after(std::uint64_t number) const;
    // Returns the number before the newest `last` events: after() of it is the first of them.
    std::uint64_t before_last(std::size_t last) const;

    std::size_t size() const { return size_; }
    std::size_t bytes() const { return bytes_; }

  private:
    struct OfKind {
        std::deque<Numbered> events;
        std::size_t bytes = 0;
    };
    void drop_one();

    std::array<OfKind, authz::kEventKinds + 1> kinds_; // the last one: of no known kind
    std::size_t size_ = 0, bytes_ = 0;                 // of all kinds
    std::uint64_t next_ = 1;
};

// Returns a function that returns the newest `last` events, one with each call, oldest first: as JSON with their
// "number", and nothing after the last one. Events that come meanwhile are left out. `recent` must outlive the
// function.
std::function<std::optional<nlohmann::json>()> rows_of_recent(const RecentEvents& recent, std::size_t last);

} // namespace xk::events
