// SPDX-License-Identifier: MIT
#include "daemon/nft/ruleset_sets.h"

#include "daemon/nft/ended.h"
#include "daemon/nft/ruleset_rules.h"

#include <linux/netfilter/nf_tables.h>

namespace xk::nft {
namespace {

// nft's own numbers for data types (include/datatype.h), six bits each in a concatenation. The kernel only keeps them
// so that nft can list the set.
constexpr std::uint32_t kIpv4 = 7, kIpv6 = 8, kInetProto = 12, kInetService = 13;
template <typename... More>
constexpr std::uint32_t concat(std::uint32_t first, More... more) {
    std::uint32_t type = first;
    ((type = type << 6 | static_cast<std::uint32_t>(more)), ...);
    return type;
}
constexpr std::uint32_t kField = 4; // bytes that a protocol or a port takes in a key

// The kernel demands a size for every set that the packet path changes.
constexpr std::uint32_t kMostElements = 65535;
// The kernel allocates the buckets of such a set at once, which takes most of the time that a new table needs.
constexpr std::uint32_t kMostRemembered = 16384;

constexpr std::uint32_t ip_type(bool v4) { return v4 ? kIpv4 : kIpv6; }
constexpr std::uint32_t ip_size(bool v4) { return v4 ? 4 : 16; }

SetSpec ban_set_spec(const SetName& name, bool v4, std::uint32_t flags) {
    return {.name = name.set, .type = ip_type(v4), .key_size = ip_size(v4), .flags = flags, .lasting = true};
}

// Both ends of a session: the packet path enters them, or begins their time again.
SetSpec tuple_set_spec(const SetName& name, bool v4, std::uint32_t most) {
    const std::uint32_t ip = ip_type(v4);
    return {.name = name.set,
            .type = concat(ip, ip, kInetProto, kInetService, kInetService),
            .key_size = 2 * ip_size(v4) + 3 * kField,
            .flags = NFT_SET_EVAL | NFT_SET_TIMEOUT,
            .size = most,
            .lasting = true};
}

// The set in which max_connections counts. Its keys are those of the grants of these ports.
SetSpec connections_set_spec(bool v4, bool forward) {
    const SetSpec grants = pinhole_set_spec(plain_set(v4, forward));
    return {.name = connections_set(v4, forward).set,
            .type = grants.type,
            .key_size = grants.key_size,
            .flags = NFT_SET_EVAL,
            .size = kMostElements};
}

void add_family(std::vector<SetSpec>& sets, const RulesetSpec& spec, bool v4) {
    sets.push_back(ban_set_spec(banned_set(v4), v4, NFT_SET_TIMEOUT));
    // Small, and written as a whole. No time-outs: interval sets of older kernels handle them badly.
    sets.push_back(ban_set_spec(banned_networks_set(v4), v4, NFT_SET_INTERVAL));
    sets.push_back({.name = begun_set(v4).set,
                    .type = ip_type(v4),
                    .key_size = ip_size(v4),
                    .flags = NFT_SET_EVAL | NFT_SET_TIMEOUT,
                    .size = kMostRemembered});
    sets.push_back(tuple_set_spec(flows_set(v4), v4, kMostRemembered));
    sets.push_back(tuple_set_spec(ended_set(v4), v4, kMostElements));
    if (spec.has_targets())
        sets.push_back({.name = protected_targets_set(v4).set,
                        .type = concat(ip_type(v4), kInetProto, kInetService),
                        .key_size = ip_size(v4) + 2 * kField});
    if (spec.has_limits())
        sets.push_back(connections_set_spec(v4, false));
    if (spec.has_limits() && spec.has_targets())
        sets.push_back(connections_set_spec(v4, true));
}

} // namespace

SetSpec pinhole_set_spec(const PinholeSet& set) {
    const std::uint32_t ip = ip_type(set.v4), size = ip_size(set.v4);
    SetSpec spec{
        .name = set.name.set, .type = ip, .key_size = size, .flags = NFT_SET_TIMEOUT, .size = 0, .lasting = true};
    if (set.range)
        return spec;
    spec.type = set.forward ? concat(ip, ip, kInetProto, kInetService) : concat(ip, kInetProto, kInetService);
    spec.key_size = (set.forward ? 2 * size : size) + 2 * kField;
    // The first connection takes the element out, so the packet path changes the set.
    if (set.single_use) {
        spec.flags |= static_cast<std::uint32_t>(NFT_SET_EVAL);
        spec.size = kMostElements;
    }
    return spec;
}

std::vector<SetSpec> sets_of(const RulesetSpec& spec) {
    std::vector<SetSpec> sets;
    const auto ranges = spec.ranges();
    for (const PinholeSet& set : pinhole_sets(ranges, spec.has_targets()))
        sets.push_back(pinhole_set_spec(set));
    for (const bool v4 : {true, false})
        add_family(sets, spec, v4);
    sets.push_back(
        {.name = protected_set().set, .type = concat(kInetProto, kInetService), .key_size = 2 * kField, .flags = 0});
    return sets;
}

void write_protected_ports(Transaction& transaction, const RulesetSpec& spec) {
    flush_set(transaction, protected_set());
    for (const bool v4 : {true, false})
        if (spec.has_targets())
            flush_set(transaction, protected_targets_set(v4));
    const auto add = [&](const SetName& set, std::vector<std::uint8_t> key) {
        Element element;
        element.key = std::move(key);
        add_element(transaction, set, element);
    };
    for (const ProtectedPort& port : spec.protected_ports) {
        // A port of a host behind this one is not protected here too. Ranges have rules instead of elements.
        if (port.is_local() && port.ports.is_single())
            add(protected_set(), endpoint_key(port.ports.begin()));
        for (const Address& target : {port.target4, port.target6})
            if (target != Address{})
                add(protected_targets_set(target.is_v4()), grant_key(target, port.ports.begin()));
    }
}

} // namespace xk::nft
