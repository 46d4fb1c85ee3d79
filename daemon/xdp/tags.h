// SPDX-License-Identifier: MIT
//
// The tags in the filter. All calls are a few microseconds for each tag; a failure is an Error and leaves the map as it
// was for that tag.
#pragma once

#include "daemon/authz/record.h"
#include "protocol/base/bytes.h"
#include "protocol/base/clock.h"
#include "protocol/base/result.h"
#include "protocol/wire.h"

#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

namespace xk::xdp {

class Filter;

struct PublishedTag {
    wire::Tag tag{};
    Bytes<wire::kMacKeySize> mac_key{};
    std::uint64_t slot = 0;
    std::uint32_t place = 0; // of the credential, in the map of credentials
    authz::RecordKind kind = authz::RecordKind::packet;
    BootTime not_before{};
    BootTime expires{};
};

// The tags in the filter. This remembers which ones are there, so that a full publication can remove those that are not
// in it.
class Tags {
  public:
    explicit Tags(Filter& filter) : filter_(&filter) {}
    // The same pinned map through another filter.
    void bind_filter(Filter& filter) { filter_ = &filter; }

    Result<void> add(const std::vector<PublishedTag>& tags);
    // end_replacement() removes every tag that was not add()ed since begin_replacement(), but for those of hellos and
    // of requests by handshake: they do not depend on the wall clock.
    void begin_replacement();
    void end_replacement();
    // The same for the tags of these places alone; the cost does not depend on the others.
    void begin_replacement_of(const std::set<std::uint32_t>& places);
    void end_replacement_of(const std::set<std::uint32_t>& places);
    // The tags of hellos of this place become these ones. Their kind is RecordKind::hello.
    Result<void> replace_hellos(std::uint32_t place, const std::vector<PublishedTag>& tags);
    // Removes tags whose time is over.
    void expire(BootTime now);
    std::size_t count() const { return known_.size(); }

  private:
    using Key = std::uint64_t; // the tag's bytes as they stand in memory
    struct Known {
        std::uint32_t place;
        BootTime expires;
        bool is_current; // in the present publication
        authz::RecordKind kind;
    };
    using ByKey = std::map<Key, Known>;
    void load();
    void remember(Key key, const Known& known);
    ByKey::iterator remove(ByKey::iterator tag);
    std::vector<ByKey::iterator> tags_of(const std::set<std::uint32_t>& places);

    Filter* filter_;
    ByKey known_;
    std::set<std::pair<std::uint32_t, Key>> by_place_; // the same tags
    bool loaded_ = false;
};

} // namespace xk::xdp
