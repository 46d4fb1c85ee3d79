// SPDX-License-Identifier: MIT
//
// RecentEvents: the last events, in memory, for who asks over the control socket. Bounded in number and in bytes: the
// oldest give way. Each has a number, which only grows, so that a list can be made row by row while events come.
#pragma once

#include "daemon/authz/event.h"

#include <nlohmann/json_fwd.hpp>

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

    // The first one whose number is above; null where there is none.
    const Numbered* after(std::uint64_t number) const;
    // after() of this begins with the `last` newest ones, or with all.
    std::uint64_t before_last(std::size_t last) const;

    std::size_t size() const { return events_.size(); }
    std::size_t bytes() const { return bytes_; }

  private:
    std::deque<Numbered> events_;
    std::size_t bytes_ = 0;
    std::uint64_t next_ = 1;
};

// The newest `last` events, oldest first, one with each call, as JSON with their "number"; nothing behind the last.
// Events that come meanwhile are not in it. `recent` outlives it.
std::function<std::optional<nlohmann::json>()> rows_of_recent(const RecentEvents& recent, std::size_t last);

} // namespace xk::events
