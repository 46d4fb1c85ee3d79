// SPDX-License-Identifier: MIT
#pragma once

#include "daemon/authz/event.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace xk::test {

struct RecordingEvents final : authz::EventSink {
    std::vector<authz::Event> all;

    void on_event(const authz::Event& event) override { all.push_back(event); }
    // Those of this kind, which are then forgotten with all others.
    std::vector<authz::Event> take(authz::EventKind kind) {
        auto events = std::exchange(all, {});
        std::erase_if(events, [&](const authz::Event& e) { return e.kind != kind; });
        return events;
    }
};

} // namespace xk::test
