// SPDX-License-Identifier: MIT
//
// BanFilter: the filter at the NIC as whoever keeps the bans sees it. ban_filter_of() is the real one; the unit tests
// have another one, which needs no kernel and can fail at any step.
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

// As many as the maps hold.
inline constexpr std::size_t kMaxBannedAddresses = XK_MAX_BANNED_ADDRESSES;
inline constexpr std::size_t kMaxBannedNetworks = XK_MAX_BANNED_NETWORKS;

class BanFilter {
  public:
    virtual ~BanFilter() = default;

    // Writes one ban; the time is BanBook::until_for_filter(). An error leaves it as it was.
    virtual Result<void> put_ban(const Prefix& prefix, const std::optional<BootTime>& until) = 0;
    // Present or not.
    virtual void erase_ban(const Prefix& prefix) = 0;
    // Switches the look-ups on and off: the filter looks for no ban where there is none.
    virtual void set_ban_counts(const authz::BanList& bans) = 0;
    // The filter then holds exactly these.
    virtual Result<void> replace_bans(const authz::BanBook& bans) = 0;
    // What the pinned maps hold, without owners: a daemon before us left it.
    virtual authz::BanList read_bans() = 0;
};

// The maps of this filter, which must outlive it.
std::unique_ptr<BanFilter> ban_filter_of(Filter& filter);

} // namespace xk::xdp
