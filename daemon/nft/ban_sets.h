// SPDX-License-Identifier: MIT
//
// Bans as elements of the ruleset's sets: addresses in hash sets that the kernel times, networks in small interval sets
// that are always written as a whole (one delete in a large interval set costs milliseconds).
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

// No time: for ever.
void put_banned_address(Transaction& transaction, const Address& address, std::optional<std::chrono::milliseconds> time,
                        const std::string& reason);
// Into sets that clear_bans() has emptied: a third of the size, which counts where there are a hundred thousand.
void add_banned_address(Transaction& transaction, const Address& address, std::optional<std::chrono::milliseconds> time,
                        const std::string& reason);
void remove_banned_address(Transaction& transaction, const Address& address);

struct BannedNetwork {
    Prefix prefix;
    std::string reason;
    std::optional<BootTime> until; // none: for ever
};

// The sets then hold exactly these. Networks inside others are left out, because intervals must not overlap.
void write_banned_networks(Transaction& transaction, const std::vector<BannedNetwork>& networks);

// Empties all four sets.
void clear_bans(Transaction& transaction);

// The bans that are in the sets: what people wrote beside them, and how long they last. Networks inside others are not
// there, and of one that the release before wrote no time is known: it is for ever.
struct KeptBan {
    std::string reason;
    std::optional<BootTime> until; // none: for ever
};
Result<std::map<Prefix, KeptBan>> read_bans(Sets& sets, BootTime now);

} // namespace xk::nft
