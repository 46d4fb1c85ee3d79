// SPDX-License-Identifier: MIT
#include "daemon/nft/probe.h"

#include "daemon/nft/objects.h"
#include "daemon/nft/pinhole_sets.h"
#include "daemon/nft/rule.h"

#include <linux/netfilter.h>

#include <string_view>

namespace xk::nft {

static_assert(std::string_view(kProbeTable) != kTable, "a probe deletes its table");

bool can_own(Socket& socket) {
    Transaction transaction;
    add_new_table(transaction, kProbeTable, kOwnedTable);
    delete_table(transaction, kProbeTable);
    return socket.commit(std::move(transaction)).has_value();
}

bool can_reset(Socket& socket) {
    const ChainSpec chain{.name = "prerouting", .type = "filter", .hook = NF_INET_PRE_ROUTING, .priority = 0};
    Transaction transaction;
    add_new_table(transaction, kProbeTable);
    add_chain(transaction, kProbeTable, chain);
    Rule(kProbeTable, chain.name).reject_with_reset(transaction, "probe");
    delete_table(transaction, kProbeTable);
    return socket.commit(std::move(transaction)).has_value();
}

} // namespace xk::nft
