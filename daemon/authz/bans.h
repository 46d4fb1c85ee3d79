// SPDX-License-Identifier: MIT
//
// BanList: the addresses and networks that are banned, each until a moment of this boot or for ever. Pure bookkeeping:
// its owner applies it to nftables and to the filter.
#pragma once

#include "protocol/base/address.h"
#include "protocol/base/clock.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace xk::authz {

struct Ban {
    std::optional<BootTime> until; // none: for ever
    std::string reason;            // printable: the owner (authz/ban_book.h)
};

class BanList {
  public:
    // Adds or replaces. Returns whether it is new.
    bool add(const Prefix& prefix, Ban ban);
    // Removes exactly this prefix, and no network around or inside it. Returns whether it was there.
    bool remove(const Prefix& prefix);
    // Removes the bans that are over and returns their prefixes.
    std::vector<Prefix> expire(BootTime now);

    bool is_banned(const Address& address, BootTime now) const;
    // The moment at which the next ban ends.
    std::optional<BootTime> next_expiry() const;

    const std::map<Prefix, Ban>& all() const { return bans_; }
    std::size_t addresses() const { return has_length(128) ? lengths_.at(128) : 0; }
    std::size_t networks() const { return bans_.size() - addresses(); }
    // Whether a prefix of this length is banned.
    bool has_length(unsigned length) const { return lengths_.contains(length); }

  private:
    std::map<Prefix, Ban> bans_;
    // The number of bans of each prefix length. Lengths without bans are not in it, so that a knock costs one look-up
    // for each length in use.
    std::map<unsigned, std::size_t> lengths_;
};

} // namespace xk::authz
