// SPDX-License-Identifier: MIT
//
// EventCounters counts the events since the daemon started: by kind, by reason and by cause.
#pragma once

#include "daemon/authz/event.h"

#include <nlohmann/json_fwd.hpp>

#include <array>
#include <cstdint>

namespace xk::events {

class EventCounters : public authz::EventSink {
  public:
    void on_event(const authz::Event& event) override;

    std::uint64_t of(authz::EventKind kind) const { return kinds_[static_cast<std::size_t>(kind)]; }
    std::uint64_t of(authz::Reject reject) const { return rejects_[static_cast<std::size_t>(reject)]; }
    // Only grant_ended events are counted by their cause.
    std::uint64_t of(authz::EndCause cause) const { return causes_[static_cast<std::size_t>(cause)]; }

    // {"kinds": {...}, "reasons": {...}, "causes": {...}} with all names, also those that are 0. refusals_suppressed
    // and knocks_suppressed count the knocks, not the events.
    nlohmann::json json() const;

  private:
    std::array<std::uint64_t, authz::kEventKinds> kinds_{};
    std::array<std::uint64_t, authz::kRejects> rejects_{};
    std::array<std::uint64_t, authz::kEndCauses> causes_{};
};

} // namespace xk::events
