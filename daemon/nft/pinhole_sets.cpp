// SPDX-License-Identifier: MIT
#include "daemon/nft/pinhole_sets.h"

#include <algorithm>

namespace xk::nft {
namespace {

PinholeSet make_set(bool v4, bool forward, bool single_use, const std::optional<PortRange>& range) {
    std::string name = single_use ? (forward ? "forward_once" : "once") : (forward ? "forward" : "grants");
    name += v4 ? "4" : "6";
    if (range) {
        name += "_" + range->text();
        std::ranges::replace_if(
            name, [](char c) { return c == '/' || c == '-'; }, '_');
    }
    return {.name = {kTable, name}, .v4 = v4, .forward = forward, .single_use = single_use, .range = range};
}

} // namespace

std::vector<PinholeSet> pinhole_sets(std::span<const PortRange> ranges, bool forward) {
    std::vector<PinholeSet> sets;
    for (const bool behind : {false, true})
        for (const bool single_use : {false, true})
            for (const bool v4 : {true, false})
                if (forward || !behind)
                    sets.push_back(make_set(v4, behind, single_use, {}));
    for (const PortRange& range : ranges)
        for (const bool v4 : {true, false})
            sets.push_back(make_set(v4, false, false, range));
    return sets;
}

PinholeSet plain_set(bool v4, bool forward) { return make_set(v4, forward, false, {}); }

PinholeSet set_of(const authz::Pinhole& pinhole, const std::optional<PortRange>& range, bool single_use) {
    return make_set(pinhole.address.is_v4(), !pinhole.is_local(), single_use && !range, range);
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
