// SPDX-License-Identifier: MIT
//
// Banning: the bans, everywhere where they count at once: in nftables (not in gate mode "external", where the sets are
// the admin's), in the filter at the NIC, with the worker, and as closed grants. The filter's pinned maps are what
// a restart reads back; the reasons come from the elements' comments.
#pragma once

#include "daemon/config/config.h"
#include "daemon/doors.h"
#include "daemon/gate/bans.h"
#include "daemon/nft/transaction.h"
#include "daemon/privsep/channel.h"
#include "daemon/xdp/filter.h"

#include <chrono>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace xk {

class Banning {
  public:
    Banning(nft::Socket& socket, xdp::Filter& filter, Doors& doors, const config::Config& config)
        : socket_(socket), filter_(&filter), doors_(doors), config_(&config) {}

    // Another configuration counts from now on. Bans that meet what it allows are lifted.
    void reconfigure(const config::Config& config, const privsep::Channel& worker);
    // Another program counts from now on: its own switch for the look-ups is set.
    void use(xdp::Filter& filter);

    // Reads back the bans of a daemon before us.
    Result<void> adopt(const Now& now);
    // Writes all of them into filter and nftables: at start, when the fence stands.
    Result<void> install(const Now& now);
    // Those of nftables, as a part of the transaction that makes the fence anew. Nothing in mode "external".
    void write(nft::Transaction& transaction, const Now& now) const;
    // Tells the worker of all of them.
    Result<void> tell(const privsep::Channel& worker) const;

    // Bans those that may be banned, all of them in one transaction, and gives back the others, with the reason. No time:
    // for ever. Not to be banned is what gate.allow allows, our own addresses, and everybody at once. A second ban of the
    // same prefix replaces the first.
    struct Refusal {
        Prefix prefix;
        Error error;
    };
    Result<std::vector<Refusal>> ban(const std::vector<Prefix>& prefixes, std::optional<std::chrono::seconds> time,
                                     const std::string& reason, const std::set<Address>& own_addresses,
                                     const privsep::Channel& worker, const Now& now);
    // Whether it was banned.
    Result<bool> unban(const Prefix& prefix, const privsep::Channel& worker);

    // Takes away what is over.
    void expire(const Now& now, const privsep::Channel& worker);

    const gate::BanList& list() const { return list_; }

  private:
    Result<void> has_room(const Prefix& prefix) const;
    Result<void> may_ban(const Prefix& prefix, const std::set<Address>& own_addresses) const;
    bool in_nftables() const { return config_->gate_mode == config::GateMode::table; }
    void write_networks(nft::Transaction& transaction) const;

    nft::Socket& socket_;
    xdp::Filter* filter_;
    Doors& doors_;
    const config::Config* config_;
    gate::BanList list_;
};

} // namespace xk
