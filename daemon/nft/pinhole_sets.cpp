// SPDX-License-Identifier: MIT
#include "daemon/nft/pinhole_sets.h"

#include <algorithm>

namespace xk::nft {
namespace {

PinholeSet make(bool v4, bool forward, bool once, const std::optional<PortRange>& range) {
    std::string name = std::string(forward ? (once ? "forward_once" : "forward")
                                   : once  ? "once"
                                           : "grants") +
                       (v4 ? "4" : "6");
    if (range) {
        name += "_" + range->text();
        std::ranges::replace_if(
            name, [](char c) { return c == '/' || c == '-'; }, '_');
    }
    return {{kTable, name}, v4, forward, once, range};
}

} // namespace

std::vector<PinholeSet> pinhole_sets(std::span<const PortRange> ranges, bool forward) {
    std::vector<PinholeSet> sets;
    for (const bool behind : {false, true})
        for (const bool once : {false, true})
            for (const bool v4 : {true, false})
                if (forward || !behind)
                    sets.push_back(make(v4, behind, once, {}));
    for (const PortRange& range : ranges)
        for (const bool v4 : {true, false})
            sets.push_back(make(v4, false, false, range));
    return sets;
}

PinholeSet set_of(const authz::Pinhole& pinhole, const std::optional<PortRange>& range, bool once) {
    return make(pinhole.address.is_v4(), !pinhole.is_local(), once && !range, range);
}

std::vector<std::uint8_t> key_of(const PinholeSet& set, const authz::Pinhole& pinhole) {
    if (set.range)
        return address_key(pinhole.address);
    return set.forward ? forward_key(pinhole.address, pinhole.target, pinhole.endpoint)
                       : grant_key(pinhole.address, pinhole.endpoint);
}

std::optional<authz::Pinhole> pinhole_of(const PinholeSet& set, const std::vector<std::uint8_t>& key) {
    if (set.range) {
        const auto address = parse_address_key(key);
        return address && key.size() == (set.v4 ? 4u : 16u)
                   ? std::optional(authz::Pinhole{*address, {}, set.range->begin()})
                   : std::nullopt;
    }
    const auto parsed = parse_grant_key(key, set.v4, set.forward);
    return parsed ? std::optional(authz::Pinhole{parsed->source, parsed->target, parsed->endpoint}) : std::nullopt;
}

} // namespace xk::nft
