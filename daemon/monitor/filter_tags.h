// SPDX-License-Identifier: MIT
//
// FilterTags: TagPort over the filter's map of tags.
#pragma once

#include "daemon/monitor/ports.h"

namespace xk {

class FilterTags : public TagPort {
  public:
    explicit FilterTags(xdp::Filter& filter) : tags_(filter) {}
    // Goes on with the same pinned map through another filter.
    void bind_filter(xdp::Filter& filter) { tags_.bind_filter(filter); }
    void expire(BootTime now) { tags_.expire(now); }
    std::size_t count() const { return tags_.count(); }

    Result<void> add(const std::vector<xdp::PublishedTag>& tags) override;
    void begin_replacement() override;
    void end_replacement() override;
    void begin_replacement_of(const std::set<std::uint32_t>& places) override;
    void end_replacement_of(const std::set<std::uint32_t>& places) override;

  private:
    xdp::Tags tags_;
};

} // namespace xk
