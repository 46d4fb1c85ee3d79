// SPDX-License-Identifier: MIT
//
// FilterTags and FilterSteps: TagPort and StepPort over the filter's maps.
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
    Result<void> replace_hellos(std::uint32_t place, const std::vector<xdp::PublishedTag>& tags) override;

  private:
    xdp::Tags tags_;
};

class FilterSteps : public StepPort {
  public:
    explicit FilterSteps(xdp::Filter& filter) : steps_(filter) {}
    // Goes on with the same pinned maps through another filter.
    void bind_filter(xdp::Filter& filter) { steps_.bind_filter(filter); }

    Result<void> add(const std::vector<xdp::PublishedStep>& steps) override;
    void begin_replacement() override;
    void end_replacement() override;

  private:
    xdp::Steps steps_;
};

} // namespace xk
