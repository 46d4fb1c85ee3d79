// SPDX-License-Identifier: MIT
#include "daemon/xdp/maps.h"

#include "daemon/xdp/abi_values.h"
#include "daemon/xdp/filter.h"
#include "daemon/xdp/map_access.h"

#include <bpf/libbpf.h>

namespace xk::xdp {

namespace {

Result<void> write_credential(int fd, std::uint32_t index, const std::vector<bool>& disabled) {
    xk_credential value{};
    value.disabled = index >= disabled.size() || disabled[index] ? 1 : 0;
    // BPF_F_LOCK (5.1) takes the bucket's lock; the bucket begins full again.
    if (bpf_map_update_elem(fd, &index, &value, BPF_F_LOCK) != 0)
        return os_error("writing the filter's credentials");
    return {};
}

} // namespace

Result<void> set_disabled(Filter& filter, const std::vector<bool>& disabled) {
    for (std::uint32_t i = 0; i < XK_MAX_CREDENTIALS; ++i)
        if (auto done = write_credential(filter.map_fd(Map::credentials), i, disabled); !done)
            return done;
    return {};
}

Result<void> set_disabled(Filter& filter, const std::vector<bool>& disabled, const std::set<std::uint32_t>& which) {
    for (const std::uint32_t i : which)
        if (auto done = write_credential(filter.map_fd(Map::credentials), i, disabled); !done)
            return done;
    return {};
}

Result<void> set_local_addresses(Filter& filter, const std::set<Address>& addresses) {
    const int fd = filter.map_fd(Map::local_addresses);
    std::set<Address> stale;
    for (const xk_address& key : keys_of<xk_address>(fd))
        stale.insert(address_of(key));
    for (const Address& address : addresses) {
        if (stale.erase(address))
            continue;
        if (auto done = put_entry(fd, abi(address), std::uint32_t{1}, "local addresses"); !done)
            return done;
    }
    for (const Address& address : stale) {
        erase_entry(fd, abi(address));
    }
    return {};
}

Result<void> set_forwarding(Filter& filter, bool forwards) {
    return put_entry(filter.map_fd(Map::forwarding), std::uint32_t{0}, std::uint32_t{forwards},
                     "switch for forwarded flows");
}

Result<Counters> read_counters(Filter& filter) {
    const int cpus = libbpf_num_possible_cpus();
    if (cpus <= 0)
        return os_error_of(cpus, "counting CPUs");
    const int fd = filter.map_fd(Map::counters);
    std::vector<std::uint64_t> each(static_cast<std::size_t>(cpus));
    Counters sums{};
    for (std::uint32_t i = 0; i < XK_COUNTERS; ++i) {
        if (bpf_map_lookup_elem(fd, &i, each.data()) != 0)
            return os_error("reading the filter's counters");
        for (const std::uint64_t n : each)
            sums[i] += n;
    }
    return sums;
}

std::string_view counter_name(int counter) {
    static constexpr std::string_view kNames[] = {
        "transit", "banned",    "length",    "source", "tag",      "expired", "disabled",    "mac",        "seen",
        "rate",    "ring-full", "candidate", "syn",    "sequence", "legacy",  "legacy-form", "legacy-rate"};
    static_assert(std::size(kNames) == XK_COUNTERS);
    return counter >= 0 && counter < XK_COUNTERS ? kNames[counter] : "?";
}

} // namespace xk::xdp
