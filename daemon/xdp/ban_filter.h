// SPDX-License-Identifier: MIT
//
// BanFilter is the interface of the table of bans to the filter at the NIC. ban_filter_of() is the real one; the unit
// tests have another one, which needs no kernel and can fail at any step.
#pragma once

#include "bpf/abi.h"
#include "daemon/authz/ban_book.h"
#include "protocol/base/address.h"
#include "protocol/base/clock.h"
#include "protocol/base/result.h"

#include <memory>
#include <optional>

namespace xk::xdp {

class Filter;

// The sizes of the maps.
inline constexpr std::size_t kMaxBannedAddresses = XK_MAX_BANNED_ADDRESSES;
inline constexpr std::size_t kMaxBannedNetworks = XK_MAX_BANNED_NETWORKS;

class BanFilter {
  public:
    virtual ~BanFilter() = default;

    // Writes one ban; the time is BanBook::until_for_filter(). An error leaves it as it was.
    virtual Result<void> put_ban(const Prefix& prefix, const std::optional<BootTime>& until) = 0;
    // The ban may be absent.
    virtual void erase_ban(const Prefix& prefix) = 0;
    // Switches the look-ups on and off: the filter looks for bans only while there are some.
    virtual void set_ban_counts(const authz::BanList& bans) = 0;
    // Makes the filter hold exactly these.
    virtual Result<void> replace_bans(const authz::BanBook& bans) = 0;
    // The bans in the pinned maps, which a daemon before us may have left. They have no owners.
    virtual authz::BanList read_bans() = 0;
};

// Writes to the maps of `filter`, which must outlive the result.
std::unique_ptr<BanFilter> ban_filter_of(Filter& filter);

} // namespace xk::xdp
