// SPDX-License-Identifier: MIT
#include "daemon/monitor/filter_tags.h"

namespace xk {

Result<void> FilterTags::add(const std::vector<xdp::PublishedTag>& tags) { return tags_.add(tags); }
void FilterTags::begin_replacement() { tags_.begin_replacement(); }
void FilterTags::end_replacement() { tags_.end_replacement(); }
void FilterTags::begin_replacement_of(const std::set<std::uint32_t>& places) { tags_.begin_replacement_of(places); }
void FilterTags::end_replacement_of(const std::set<std::uint32_t>& places) { tags_.end_replacement_of(places); }
Result<void> FilterTags::replace_hellos(std::uint32_t place, const std::vector<xdp::PublishedTag>& tags) {
    return tags_.replace_hellos(place, tags);
}

Result<void> FilterSteps::add(const std::vector<xdp::PublishedStep>& steps) { return steps_.add(steps); }
void FilterSteps::begin_replacement() { steps_.begin_replacement(); }
void FilterSteps::end_replacement() { steps_.end_replacement(); }

} // namespace xk
