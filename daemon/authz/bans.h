// SPDX-License-Identifier: MIT
//
// Who is banned: addresses and networks, each until a moment of this boot or for ever. Pure bookkeeping;
// whoever holds one applies it to nftables and to the filter.
#pragma once

#include "protocol/base/address.h"
#include "protocol/base/clock.h"

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace xk::authz {

struct Ban {
    std::optional<BootTime> until; // none: for ever
    std::string reason;            // printable: whose ban it is (authz/ban_book.h)
};

class BanList {
  public:
    // Adds or replaces. Returns whether it is new.
    bool add(const Prefix& prefix, Ban ban);
    // Returns whether it was there. Only the very same prefix is taken away.
    bool remove(const Prefix& prefix);
    // Takes away what is over and returns it.
    std::vector<Prefix> expire(BootTime now);

    bool is_banned(const Address& address, BootTime now) const;
    // The moment at which the next ban ends.
    std::optional<BootTime> next_expiry() const;

    const std::map<Prefix, Ban>& all() const { return bans_; }
    std::size_t addresses() const { return count_[128]; }
    std::size_t networks() const { return bans_.size() - count_[128]; }
    // Whether a prefix of this length is banned.
    bool has_length(unsigned length) const { return count_[length] != 0; }

  private:
    std::map<Prefix, Ban> bans_;
    std::array<std::size_t, 129> count_{}; // by prefix length: only lengths in use are looked up
};

} // namespace xk::authz
