// SPDX-License-Identifier: MIT
//
// Trackers of sequences of ports, written from the rules of docs/protocol.md, "Sequences" and "c-lock", with sets of
// whole sequences in the place of the filter's tree. trackers_test.cpp compares them with the filter.
#pragma once

#include "protocol/base/address.h"
#include "protocol/slot.h"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace xk::test {

using Ports = std::vector<std::uint16_t>;
using TraceTime = std::chrono::microseconds; // since the trace began

// The sequences of each slot, and whose they are.
using Published = std::map<Slot, std::map<Ports, std::uint32_t>>;

// What a port led to in one slot: enum xk_counter, and the sequence where it was reported.
struct Found {
    int counter;
    Slot slot;
    std::uint32_t credential;
    Ports ports;
};

class StrongTracker {
  public:
    Published sequences;

    // `open` are the slots that count at this time.
    std::vector<Found> take_port(const Address& source, std::uint16_t port, TraceTime time,
                                 const std::vector<Slot>& open);

  private:
    struct Progress {
        Ports sent;
        TraceTime since{};
        unsigned resets = 0;
    };
    std::map<std::pair<Address, Slot>, Progress> sources_;
    std::set<std::pair<Slot, Ports>> used_;
};

class ClockTracker {
  public:
    // The bucket has `attempts` tokens, and gets one in each `interval`.
    ClockTracker(std::size_t ports, std::int64_t attempts, TraceTime interval)
        : ports_(ports), interval_(interval), attempts_(attempts), level_(attempts * interval) {}

    Published sequences;
    std::uint16_t open_port = 0;

    // A SYN.
    std::vector<Found> take_port(Address source, std::uint16_t port, TraceTime time, const std::vector<Slot>& open);

  private:
    struct Run {
        Ports sent;
        std::set<Slot> slots; // in which it may still be right
        TraceTime last{};
        std::optional<TraceTime> muted; // until then the source is not followed
        unsigned failures = 0;
    };
    std::vector<Found> end_run(Run& run, const Address& source, TraceTime time);
    bool take_token(const Address& source, TraceTime time);

    std::size_t ports_;
    TraceTime interval_;
    std::int64_t attempts_;
    TraceTime level_; // of the bucket; a token is one interval
    TraceTime filled_{};
    std::map<Address, Run> runs_;
    std::set<Address> right_sources_;
    std::set<std::pair<Slot, Ports>> used_;
};

} // namespace xk::test
