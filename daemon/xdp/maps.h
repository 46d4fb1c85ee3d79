// SPDX-License-Identifier: MIT
//
// What the privileged process writes into the filter's maps, and the counters that it reads from them. All
// calls are a few microseconds; a failure is an Error and leaves the map as it was for that key.
#pragma once

#include "daemon/authz/ban_book.h"
#include "daemon/xdp/filter.h"
#include "protocol/base/address.h"
#include "protocol/base/clock.h"
#include "protocol/wire.h"

#include <array>
#include <map>
#include <set>
#include <vector>

namespace xk::xdp {

struct PublishedTag {
    wire::Tag tag{};
    Bytes<wire::kMacKeySize> mac_key{};
    std::uint64_t slot = 0;
    std::uint32_t place = 0; // of the credential, in the map of credentials
    BootTime not_before{};
    BootTime expires{};
};

// The tags in the filter. It knows which ones are there, so that a full publication takes away what is no
// longer in it.
class Tags {
  public:
    explicit Tags(Filter& filter) : filter_(&filter) {}
    // The same pinned map through another filter.
    void use(Filter& filter) { filter_ = &filter; }

    Result<void> add(const std::vector<PublishedTag>& tags);
    // Takes away every tag in the map that was not add()ed after begin_replacement().
    void begin_replacement();
    void end_replacement();
    // The same for the tags of these places alone, in the time that those need.
    void begin_replacement_of(const std::set<std::uint32_t>& places);
    void end_replacement_of(const std::set<std::uint32_t>& places);
    // Takes away what is over.
    void expire(BootTime now);
    std::size_t count() const { return known_.size(); }

  private:
    using Key = std::uint64_t; // the tag's bytes as they stand in memory
    struct Known {
        BootTime expires;
        bool is_current; // in the present publication
    };
    void load();
    void erase(Key key);
    void remember(std::uint32_t place, Key key);

    Filter* filter_;
    std::map<Key, Known> known_;
    std::map<std::uint32_t, std::vector<Key>> by_place_; // also some that are gone; none of a daemon before us
    bool loaded_ = false;
};

// Sets or clears the disabled flag of credentials 0 .. disabled.size() - 1 and sets it for all indices behind
// them.
Result<void> set_disabled(Filter& filter, const std::vector<bool>& disabled);

// Makes the map of our own addresses equal to the set.
Result<void> set_local_addresses(Filter& filter, const std::set<Address>& addresses);

// Whether packets to the knock port that are no knock go on to nftables: they may answer a flow that this host
// forwarded.
Result<void> set_forwarding(Filter& filter, bool forwards);

// Writes one ban, or takes it away; set_ban_counts() switches the look-ups on and off. A daemon
// that takes over calls replace_bans() before the new program runs. The time is BanBook::until_for_filter().
Result<void> put_ban(Filter& filter, const Prefix& prefix, const std::optional<BootTime>& until);
void erase_ban(Filter& filter, const Prefix& prefix);
void set_ban_counts(Filter& filter, const authz::BanList& bans);
Result<void> replace_bans(Filter& filter, const authz::BanBook& bans);
// The bans that the pinned maps hold, without their owners: what a daemon before us left.
authz::BanList read_bans(Filter& filter);

using Counters = std::array<std::uint64_t, XK_COUNTERS>; // summed over the CPUs
Result<Counters> read_counters(Filter& filter);
std::string_view counter_name(int counter);

} // namespace xk::xdp
