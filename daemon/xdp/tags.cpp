// SPDX-License-Identifier: MIT
#include "daemon/xdp/tags.h"

#include "daemon/xdp/abi_values.h"
#include "daemon/xdp/filter.h"
#include "daemon/xdp/map_access.h"

#include <cstring>
#include <iterator>

namespace xk::xdp {
namespace {

// The tags of the daemon before us belong to places of its configuration, which say nothing here.
constexpr std::uint32_t kNoPlace = UINT32_MAX;

} // namespace

void Tags::load() {
    // The tags of the daemon before us are remembered too, so that they can be removed.
    if (!loaded_)
        for (const Key key : keys_of<Key>(filter_->map_fd(Map::tags)))
            remember(key, {kNoPlace, BootTime::max(), true, authz::RecordKind::packet});
    loaded_ = true;
}

// A tag belongs to the place for which it was published last.
void Tags::remember(Key key, const Known& known) {
    if (const auto before = known_.find(key); before != known_.end())
        by_place_.erase({before->second.place, key});
    known_.insert_or_assign(key, known);
    by_place_.insert({known.place, key});
}

Tags::ByKey::iterator Tags::remove(ByKey::iterator tag) {
    erase_entry(filter_->map_fd(Map::tags), tag->first);
    by_place_.erase({tag->second.place, tag->first});
    return known_.erase(tag);
}

std::vector<Tags::ByKey::iterator> Tags::tags_of(const std::set<std::uint32_t>& places) {
    std::vector<ByKey::iterator> tags;
    for (const std::uint32_t place : places)
        for (auto i = by_place_.lower_bound({place, 0}); i != by_place_.end() && i->first == place; ++i)
            tags.push_back(known_.find(i->second));
    return tags;
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
        value.kind = static_cast<std::uint32_t>(t.kind);
        value.not_before = boot_ns(t.not_before);
        value.expires = boot_ns(t.expires);
        auto done = put_entry(filter_->map_fd(Map::tags), key, value, "tags");
        explicit_bzero(&value, sizeof value);
        if (!done)
            return done;
        remember(key, {t.place, t.expires, true, t.kind});
    }
    return {};
}

void Tags::begin_replacement() {
    load();
    for (auto& [key, known] : known_)
        known.is_current = known.kind != authz::RecordKind::packet;
}

void Tags::end_replacement() {
    for (auto i = known_.begin(); i != known_.end();)
        i = i->second.is_current ? std::next(i) : remove(i);
}

void Tags::begin_replacement_of(const std::set<std::uint32_t>& places) {
    for (const auto tag : tags_of(places))
        tag->second.is_current = false;
}

void Tags::end_replacement_of(const std::set<std::uint32_t>& places) {
    for (const auto tag : tags_of(places))
        if (!tag->second.is_current)
            remove(tag);
}

Result<void> Tags::replace_hellos(std::uint32_t place, const std::vector<PublishedTag>& tags) {
    load();
    for (const auto tag : tags_of({place}))
        if (tag->second.kind == authz::RecordKind::hello)
            tag->second.is_current = false;
    if (auto added = add(tags); !added)
        return added;
    for (const auto tag : tags_of({place}))
        if (tag->second.kind == authz::RecordKind::hello && !tag->second.is_current)
            remove(tag);
    return {};
}

void Tags::expire(BootTime now) {
    for (auto i = known_.begin(); i != known_.end();)
        i = i->second.expires <= now ? remove(i) : std::next(i);
}

} // namespace xk::xdp
