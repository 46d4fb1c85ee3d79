// SPDX-License-Identifier: MIT
//
// TagPublication checks the tags that the worker publishes and passes them to the filter. After a reload the worker may
// still send tags of the configuration before. Tags of unchanged credentials are taken, because the worker does not
// publish them again. Tags of changed places are dropped, because these places may belong to other credentials now.
#pragma once

#include "daemon/monitor/places.h"
#include "daemon/monitor/ports.h"
#include "daemon/privsep/messages.h"
#include "protocol/secret.h"

#include <cstdint>
#include <set>
#include <vector>

namespace xk {

// Tags with their MAC keys, which are wiped however the scope is left. There is room for all from the beginning: a
// vector that grows leaves its old memory behind.
struct KeptTags {
    std::vector<xdp::PublishedTag> all;

    explicit KeptTags(std::size_t most) { all.reserve(most); }
    ~KeptTags() {
        for (xdp::PublishedTag& tag : all)
            wipe(tag);
    }
    KeptTags(const KeptTags&) = delete;
    KeptTags& operator=(const KeptTags&) = delete;

    void add(const privsep::TagRecord& record) {
        xdp::PublishedTag& tag = all.emplace_back();
        tag.tag = record.tag;
        tag.mac_key = record.mac_key;
        tag.slot = record.slot;
        tag.place = record.place;
        tag.kind = static_cast<authz::RecordKind>(record.kind);
        tag.not_before = BootTime(std::chrono::nanoseconds(record.not_before));
        tag.expires = BootTime(std::chrono::nanoseconds(record.expires));
    }
};

class TagPublication {
  public:
    explicit TagPublication(TagPort& port) : port_(port) {}

    // `generation` counts from now on. It differs from the one before in the places `touched`.
    void begin_generation(std::uint32_t generation, std::set<std::uint32_t> touched);

    enum class Verdict { published, senseless, of_nobody };
    // An error is the filter's.
    Result<Verdict> publish(const privsep::Tags& message, const Places& places);

    // Of a message of this generation: it counts, it is of the one before and comes late, or it makes no sense.
    enum class Age { current, late, senseless };
    Age age_of(std::uint32_t generation) const;

    // Whether the last change of the configuration concerns this place.
    bool is_touched(std::uint32_t place) const { return touched_.contains(place); }

    bool is_published() const { return published_; } // whether all tags have been published once
    // Whether the worker has sent tags of the generation that counts. After that it sends no tags of the earlier
    // generation.
    bool follows() const { return follows_; }

  private:
    void begin(privsep::TagScope scope);
    void end(privsep::TagScope scope);

    TagPort& port_;
    std::uint32_t generation_ = 0, before_ = 0;
    std::set<std::uint32_t> touched_;
    std::set<std::uint32_t> replaced_; // the places of an unfinished publication of changed places
    bool replaces_all_ = false;        // a publication of all places is unfinished
    bool expects_changed_ = false;
    bool has_old_hellos_ = false; // of the places that the generation has changed
    bool follows_ = false, published_ = false;
};

} // namespace xk
