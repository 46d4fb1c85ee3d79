// SPDX-License-Identifier: MIT
#include "daemon/xdp/tags.h"

#include "daemon/xdp/abi_values.h"
#include "daemon/xdp/filter.h"
#include "daemon/xdp/map_access.h"

#include <cstring>

namespace xk::xdp {

void Tags::load() {
    // The tags of the daemon before us are remembered too, so that they can be removed.
    if (!loaded_)
        for (const Key key : keys_of<Key>(filter_->map_fd(Map::tags)))
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
        auto done = put_entry(filter_->map_fd(Map::tags), key, value, "tags");
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

void Tags::erase(Key key) { erase_entry(filter_->map_fd(Map::tags), key); }

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

} // namespace xk::xdp
