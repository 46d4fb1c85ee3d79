// SPDX-License-Identifier: MIT
#include "tools/knockctl/doctor/ports.h"

#include <algorithm>
#include <charconv>

namespace xk::tools {
namespace {

constexpr std::uint32_t kLast = 65535;

} // namespace

PortSet PortSet::range(std::uint32_t first, std::uint32_t last) {
    PortSet set;
    if (first <= last && first <= kLast)
        set.ranges_.push_back({first, std::min(last, kLast)});
    return set;
}

PortSet PortSet::parse(const std::string& text, char between) {
    PortSet set;
    const char* const end = text.data() + text.size();
    for (const char* at = text.data(); at < end; ++at) {
        std::uint32_t first = 0, last = kLast; // "1024:" has no end, ":1023" no beginning
        auto [next, code] = std::from_chars(at, end, first);
        if (code == std::errc() && (next == end || *next != between))
            last = first;
        if (next != end && *next == between)
            next = std::from_chars(next + 1, end, last).ptr;
        if (next == at)
            return all(); // a name, or something that we do not know
        set = set | range(first, last);
        at = std::find(next, end, ',');
    }
    return set;
}

PortSet PortSet::operator~() const {
    PortSet rest;
    std::uint32_t from = 0;
    for (const Range& r : ranges_) {
        if (r.first > from)
            rest.ranges_.push_back({from, r.first - 1});
        from = r.last + 1;
    }
    if (from <= kLast)
        rest.ranges_.push_back({from, kLast});
    return rest;
}

PortSet PortSet::operator|(const PortSet& other) const {
    std::vector<Range> sorted = ranges_;
    sorted.insert(sorted.end(), other.ranges_.begin(), other.ranges_.end());
    std::ranges::sort(sorted, {}, &Range::first);
    PortSet sum;
    for (const Range& r : sorted)
        if (!sum.ranges_.empty() && r.first <= sum.ranges_.back().last + 1)
            sum.ranges_.back().last = std::max(sum.ranges_.back().last, r.last);
        else
            sum.ranges_.push_back(r);
    return sum;
}

PortSet PortSet::operator&(const PortSet& other) const { return ~(~*this | ~other); }

std::string PortSet::text() const {
    std::string text;
    for (const Range& r : ranges_) {
        text += (text.empty() ? "" : ", ") + std::to_string(r.first);
        if (r.last != r.first)
            text += "-" + std::to_string(r.last);
    }
    return text;
}

} // namespace xk::tools
