// SPDX-License-Identifier: MIT
//
// Finds out what this kernel's nf_tables can do. It tries, because distributions backport and versions say little. Each
// probe makes a table of its own and deletes it in the same transaction: no packet and no listing ever sees it. A table
// that has the name already is somebody else's; the probe then leaves it alone and says no.
#pragma once

#include "daemon/nft/transaction.h"

namespace xk::nft {

inline constexpr const char* kProbeTable = "xknock-probe";

// Flags of a table, newer than Debian 12's headers: NFT_TABLE_F_OWNER (Linux 5.12) ties it to the netlink socket that
// made it; with NFT_TABLE_F_PERSIST (Linux 6.9) it stays when that socket closes, and the next socket may own it.
inline constexpr std::uint32_t kOwnedTable = 0x2 | 0x4;

// Whether tables can belong to one netlink socket and outlive it.
bool can_own(Socket& socket);

// Whether a rule in prerouting can send a TCP reset (Linux 5.9).
bool can_reset(Socket& socket);

} // namespace xk::nft
