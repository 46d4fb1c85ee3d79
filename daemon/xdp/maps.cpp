// SPDX-License-Identifier: MIT
#include "daemon/xdp/maps.h"

#include "knock.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <cstring>

namespace xk::xdp {
namespace {

xk_address abi(const Address& address) {
    xk_address out;
    static_assert(sizeof out.bytes == sizeof address.bytes);
    std::memcpy(out.bytes, address.bytes.data(), sizeof out.bytes);
    return out;
}

Address address_of(const xk_address& from) {
    Address address;
    std::memcpy(address.bytes.data(), from.bytes, sizeof from.bytes);
    return address;
}

xk_prefix abi(const Prefix& prefix) { return {prefix.length, abi(prefix.address)}; }

std::uint64_t boot_ns(BootTime t) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(0, t.time_since_epoch().count()));
}

// All keys of a map.
template <typename Key>
std::vector<Key> keys_of(int fd) {
    std::vector<Key> keys;
    Key key, next;
    for (const Key* at = nullptr; bpf_map_get_next_key(fd, at, &next) == 0; at = &key) {
        key = next;
        keys.push_back(key);
    }
    return keys;
}

int tags_fd(Filter& f) { return f.map_fd(f.skeleton().maps.tags); }
int addresses_fd(Filter& f) { return f.map_fd(f.skeleton().maps.banned_addresses); }
int networks_fd(Filter& f) { return f.map_fd(f.skeleton().maps.banned_networks); }

template <typename Key, typename Value>
Result<void> put(int fd, const Key& key, const Value& value, const char* what) {
    if (bpf_map_update_elem(fd, &key, &value, BPF_ANY) != 0)
        return os_error(std::string("writing the filter's ") + what);
    return {};
}

} // namespace

void Tags::load() {
    // Tags of the daemon before us: known, so that they can be taken away.
    if (!loaded_)
        for (const Key key : keys_of<Key>(tags_fd(*filter_)))
            known_.try_emplace(key, Known{BootTime::max(), true});
    loaded_ = true;
}

Result<void> Tags::add(const std::vector<PublishedTag>& tags) {
    load();
    for (const PublishedTag& t : tags) {
        Key key;
        std::memcpy(&key, t.tag.data(), sizeof key);
        xk_tag value{};
        std::memcpy(value.mac_key, t.mac_key.data(), sizeof value.mac_key);
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
        for (auto& word : value.mac_key)
            word = __builtin_bswap64(word);
#endif
        value.slot = t.slot;
        value.credential = t.place;
        value.not_before = boot_ns(t.not_before);
        value.expires = boot_ns(t.expires);
        auto done = put(tags_fd(*filter_), key, value, "tags");
        explicit_bzero(&value, sizeof value);
        if (!done)
            return done;
        if (!known_.insert_or_assign(key, Known{t.expires, true}).second)
            continue;
        remember(t.place, key);
    }
    return {};
}

// A credential has a handful of tags at a time, so that looking through them costs nothing.
void Tags::remember(std::uint32_t place, Key key) {
    std::vector<Key>& keys = by_place_[place];
    std::erase_if(keys, [&](Key old) { return !known_.contains(old); });
    keys.push_back(key);
}

void Tags::erase(Key key) { bpf_map_delete_elem(tags_fd(*filter_), &key); }

void Tags::begin_replacement() {
    load();
    for (auto& [key, entry] : known_)
        entry.is_current = false;
}

void Tags::end_replacement() {
    std::erase_if(known_, [&](const auto& known) {
        if (!known.second.is_current)
            erase(known.first);
        return !known.second.is_current;
    });
}

void Tags::begin_replacement_of(const std::set<std::uint32_t>& places) {
    for (const std::uint32_t place : places)
        for (const Key key : by_place_[place])
            if (const auto known = known_.find(key); known != known_.end())
                known->second.is_current = false;
}

void Tags::end_replacement_of(const std::set<std::uint32_t>& places) {
    for (const std::uint32_t place : places)
        std::erase_if(by_place_[place], [&](Key key) {
            const auto known = known_.find(key);
            if (known == known_.end() || known->second.is_current)
                return known == known_.end();
            erase(key);
            known_.erase(known);
            return true;
        });
}

void Tags::expire(BootTime now) {
    std::erase_if(known_, [&](const auto& known) {
        const bool over = known.second.expires <= now;
        if (over)
            erase(known.first);
        return over;
    });
}

Result<void> set_disabled(Filter& filter, const std::vector<bool>& disabled) {
    const int fd = filter.map_fd(filter.skeleton().maps.credentials);
    for (std::uint32_t i = 0; i < XK_MAX_CREDENTIALS; ++i) {
        xk_credential value{};
        value.disabled = i >= disabled.size() || disabled[i] ? 1 : 0;
        // BPF_F_LOCK (5.1) takes the bucket's lock; the bucket begins full again.
        if (bpf_map_update_elem(fd, &i, &value, BPF_F_LOCK) != 0)
            return os_error("writing the filter's credentials");
    }
    return {};
}

Result<void> set_local_addresses(Filter& filter, const std::set<Address>& addresses) {
    const int fd = filter.map_fd(filter.skeleton().maps.local_addresses);
    std::set<Address> stale;
    for (const xk_address& key : keys_of<xk_address>(fd))
        stale.insert(address_of(key));
    for (const Address& address : addresses) {
        if (stale.erase(address))
            continue;
        if (auto done = put(fd, abi(address), std::uint32_t{1}, "local addresses"); !done)
            return done;
    }
    for (const Address& address : stale) {
        const xk_address key = abi(address);
        bpf_map_delete_elem(fd, &key);
    }
    return {};
}

Result<void> set_forwarding(Filter& filter, bool forwards) {
    return put(filter.map_fd(filter.skeleton().maps.forwarding), std::uint32_t{0}, std::uint32_t{forwards},
               "switch for forwarded flows");
}

Result<void> put_ban(Filter& filter, const Prefix& prefix, const std::optional<BootTime>& until) {
    const std::uint64_t end = until ? boot_ns(*until) : UINT64_MAX;
    if (prefix.is_single())
        return put(addresses_fd(filter), abi(prefix.address), end, "banned addresses");
    return put(networks_fd(filter), abi(prefix), end, "banned networks");
}

void erase_ban(Filter& filter, const Prefix& prefix) {
    if (prefix.is_single()) {
        const xk_address key = abi(prefix.address);
        bpf_map_delete_elem(addresses_fd(filter), &key);
    } else {
        const xk_prefix key = abi(prefix);
        bpf_map_delete_elem(networks_fd(filter), &key);
    }
}

void set_ban_counts(Filter& filter, const authz::BanList& bans) {
    filter.skeleton().bss->bans.addresses = static_cast<__u32>(bans.addresses());
    filter.skeleton().bss->bans.networks = static_cast<__u32>(bans.networks());
}

authz::BanList read_bans(Filter& filter) {
    authz::BanList bans;
    const auto add = [&](int fd, const auto& key, const Prefix& prefix) {
        std::uint64_t until = 0;
        if (bpf_map_lookup_elem(fd, &key, &until) != 0)
            return;
        authz::Ban ban;
        if (until != UINT64_MAX)
            ban.until = BootTime(std::chrono::nanoseconds(static_cast<std::int64_t>(until)));
        bans.add(prefix, ban);
    };
    for (const xk_address& key : keys_of<xk_address>(addresses_fd(filter)))
        add(addresses_fd(filter), key, Prefix::of(address_of(key)));
    for (const xk_prefix& key : keys_of<xk_prefix>(networks_fd(filter)))
        add(networks_fd(filter), key, Prefix{address_of(key.address), static_cast<std::uint8_t>(key.length)});
    return bans;
}

Result<void> replace_bans(Filter& filter, const authz::BanBook& bans) {
    const authz::BanList before = read_bans(filter);
    for (const auto& [prefix, ban] : before.all())
        if (bans.all().count(prefix) == 0)
            erase_ban(filter, prefix);
    for (const auto& [prefix, ban] : bans.list().all())
        if (auto done = put_ban(filter, prefix, bans.until_for_filter(prefix)); !done)
            return done;
    set_ban_counts(filter, bans.list());
    return {};
}

Result<Counters> read_counters(Filter& filter) {
    const int cpus = libbpf_num_possible_cpus();
    if (cpus <= 0)
        return os_error_of(cpus, "counting CPUs");
    const int fd = filter.map_fd(filter.skeleton().maps.counters);
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
    static constexpr std::string_view kNames[] = {"transit",   "banned",    "length", "source", "tag",
                                                  "expired",   "disabled",  "mac",    "seen",   "rate",
                                                  "ring-full", "candidate", "syn"};
    static_assert(std::size(kNames) == XK_COUNTERS);
    return counter >= 0 && counter < XK_COUNTERS ? kNames[counter] : "?";
}

} // namespace xk::xdp
