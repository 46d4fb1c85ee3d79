// SPDX-License-Identifier: MIT
//
// Bans as elements of the ruleset's sets: addresses in hash sets whose elements the kernel ends in time, networks in
// small interval sets that are always written as a whole (one delete in a large interval set costs milliseconds).
#pragma once

#include "daemon/nft/element.h"
#include "protocol/base/address.h"
#include "protocol/base/clock.h"

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace xk::nft {

// Bans an address, or replaces its time and reason. No `time`: for ever.
void put_banned_address(Transaction& transaction, const Address& address, std::optional<std::chrono::milliseconds> time,
                        const std::string& reason);
// The same for sets that clear_bans() has emptied. Its message has a third of the size, which matters with a hundred
// thousand bans.
void add_banned_address(Transaction& transaction, const Address& address, std::optional<std::chrono::milliseconds> time,
                        const std::string& reason);
void remove_banned_address(Transaction& transaction, const Address& address);

struct BannedNetwork {
    Prefix prefix;
    std::string reason;
    std::optional<BootTime> until; // none: for ever
};

// The sets then hold exactly these, which must be sorted by prefix. Networks inside others are left out, because
// intervals must not overlap.
void write_banned_networks(Transaction& transaction, const std::vector<BannedNetwork>& networks);

// Empties all four sets.
void clear_bans(Transaction& transaction);

// A ban as the sets have it. Networks inside others are not in the sets. The release before wrote no time for a
// network: it lasts for ever.
struct KeptBan {
    std::string reason;
    std::optional<BootTime> until; // none: for ever
};
Result<std::map<Prefix, KeptBan>> read_bans(Sets& sets, BootTime now);

} // namespace xk::nft
