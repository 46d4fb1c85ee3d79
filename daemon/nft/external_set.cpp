// SPDX-License-Identifier: MIT
#include "daemon/nft/ruleset.h"
#include "daemon/nft/ruleset_sets.h"
#include "protocol/base/quote.h"

#include <linux/netfilter/nf_tables.h>

#include <algorithm>

namespace xk::nft {

Result<void> check_external_set(Socket& socket, const SetName& name, bool v4) {
    const std::string type = std::string(v4 ? "ipv4_addr" : "ipv6_addr") + " . inet_proto . inet_service";
    const std::string hint = "nft 'add set inet " + name.table + " " + name.set + " { type " + type +
                             "; flags timeout; }' and use it in a rule of yours";
    const auto sets = list_sets(socket, name.table);
    if (!sets)
        return sets.error();
    const auto found = std::ranges::find(*sets, name.set, &SetSpec::name);
    const std::string where = "set " + in_quotes(name.set) + " in table inet " + in_quotes(name.table);
    if (found == sets->end())
        return Error{"there is no " + where, hint, Exit::configuration};
    const SetSpec ours = pinhole_set_spec(plain_set(v4, false));
    if (found->type != ours.type || found->key_size != ours.key_size)
        return Error{where + " is not of type " + type, hint, Exit::configuration};
    if ((found->flags & NFT_SET_TIMEOUT) == 0)
        return Error{where + " has no flag timeout", hint, Exit::configuration};
    if (found->flags & NFT_SET_INTERVAL)
        return Error{where + " has flag interval", hint, Exit::configuration};
    return {};
}

} // namespace xk::nft
