// SPDX-License-Identifier: MIT
//
// The sequences of ports in the filter, as a tree of steps (bpf/abi.h). A failure is an Error and leaves the map as it
// was for that step.
#pragma once

#include "protocol/base/clock.h"
#include "protocol/base/result.h"

#include <cstdint>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

namespace xk::xdp {

class Filter;

// One port of a sequence: it leads from one node of the tree to the next.
struct PublishedStep {
    std::uint64_t slot = 0;
    BootTime not_before{}, expires{}; // of the slot
    std::uint64_t node = 0;           // the slot is the root
    std::uint64_t next = 0;           // 0: this is the last port
    std::uint32_t place = 0;          // of the credential; counts in the last step
    std::uint16_t port = 0;           // host order
};

class Steps {
  public:
    explicit Steps(Filter& filter) : filter_(&filter) {}
    // The same pinned maps through another filter.
    void bind_filter(Filter& filter) { filter_ = &filter; }

    // Several sequences may have a step in common. One that is there already stays as it is, with the filter's mark
    // that its sequence was used. Where the map is full, the steps that a replacement would remove go at once.
    Result<void> add(const std::vector<PublishedStep>& steps);
    // end_replacement() removes every step that was not add()ed since begin_replacement().
    void begin_replacement();
    void end_replacement();

  private:
    using Key = std::pair<std::uint64_t, std::uint16_t>; // node, port
    struct Known {
        std::uint64_t next;
        std::uint32_t place;
        bool is_current; // in the present publication
    };
    void load();
    Result<void> put(const Key& key, const PublishedStep& step);
    void remove_stale();
    Result<void> write_slot(const PublishedStep& step);

    Filter* filter_;
    std::map<Key, Known> known_;
    // By entry of the map of slots: what was written last.
    std::map<std::uint32_t, std::tuple<std::uint64_t, BootTime, BootTime>> slots_;
    bool loaded_ = false;
};

} // namespace xk::xdp
