// SPDX-License-Identifier: MIT
//
// Bans: the bans, everywhere where they count at once: in nftables (not in gate mode "external", where the sets are
// the admin's), in the filter at the NIC, with the worker, and as closed grants. Each owner of a ban has a time of its
// own, and the longest is what counts in all of these places; a file keeps the owners for the next daemon.
//
//   bans.cpp        who may be banned, by whom and for how long
//   bans_apply.cpp  how a change comes about everywhere or nowhere
#pragma once

#include "daemon/authz/ban_book.h"
#include "daemon/authz/event.h"
#include "daemon/bans/ban_file.h"
#include "daemon/bans/ban_listener.h"
#include "daemon/config/config.h"
#include "daemon/grants/grants.h"
#include "daemon/nft/sets.h"
#include "daemon/xdp/ban_filter.h"

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace xk {

class Bans {
  public:
    // What they count in, and who hears of them; all of it must outlive them.
    struct Parts {
        nft::Sets& sets;
        Grants& grants;
        BanListener& listener;
        authz::EventSink& sink;
    };

    Bans(Parts parts, std::unique_ptr<xdp::BanFilter> filter, std::shared_ptr<const config::Config> config)
        : parts_(parts), filter_(std::move(filter)), config_(std::move(config)) {}

    // Another configuration counts from now on. Bans that meet what it allows are lifted.
    void reconfigure(std::shared_ptr<const config::Config> config, const Now& now);
    // Another program counts from now on: its own switch for the look-ups is set.
    void bind_filter(std::unique_ptr<xdp::BanFilter> filter);

    // Reads back the bans of a daemon before us: from its file, and what that lacks from the filter's pinned maps, with
    // the owners that nftables shows beside the elements; without the file also those that nftables alone knows. A file
    // of a newer release is an error. No path: nothing is kept.
    Result<void> adopt(BanFile file, const Now& now);
    // Writes all of them into filter and nftables: at start, when the ruleset stands.
    Result<void> install(const Now& now);
    // Those of nftables, as a part of the transaction that makes the ruleset anew. Nothing in mode "external".
    void write(nft::Transaction& transaction, const Now& now) const;
    // Tells the listener of all of them.
    Result<void> report_all() const;

    // What one owner wants: no time is for ever. Addresses of IPv6 are banned by their network of `ipv6_prefix` bits,
    // unless it holds what may not be banned: then alone.
    struct Request {
        std::vector<Prefix> prefixes;
        std::optional<std::chrono::seconds> time;
        std::string owner;
        unsigned ipv6_prefix = 128;
    };
    struct Refusal {
        Prefix prefix;
        Error error;
    };
    struct Banned {
        std::vector<Prefix> prefixes; // what is banned now for those that were asked for
        std::vector<Refusal> refused;
    };
    // Bans those that may be banned, all of them in one transaction, and gives back the others, with the reason. Not
    // to be banned is what gate.allow allows, our own addresses, and everybody at once. A ban that its owner has
    // already is prolonged, and never shortened.
    Result<Banned> ban(const Request& request, const std::set<Address>& own_addresses, const Now& now);

    // Takes away the bans of this owner, or of all, in one transaction. How many.
    Result<std::size_t> unban(const std::vector<Prefix>& prefixes, const std::optional<std::string>& owner,
                              const Now& now);
    enum class Family { any, v4, v6 };
    Result<std::size_t> unban_all(Family family, const std::optional<std::string>& owner, const Now& now);

    // Takes away what is over.
    void expire(const Now& now);

    const authz::BanBook& book() const { return book_; }
    const authz::BanList& list() const { return book_.list(); }

    // The name of an owner, as it is kept.
    static std::string owner_of(const std::string& reason);

  private:
    // What the claims of some prefixes are to be.
    using Changes = std::map<Prefix, authz::BanClaims>;

    struct Room { // for more
        std::size_t addresses, networks, claims;
    };

    Result<Prefix> target_of(const Prefix& asked, const Request& request, const std::set<Address>& own_addresses,
                             Room& room, const Changes& changes) const;
    Result<void> take_room(Room& room, const Prefix& prefix, const Changes& changes) const;
    Result<void> may_ban(const Prefix& prefix, const std::set<Address>& own_addresses) const;
    bool is_spared(const Prefix& prefix) const;
    bool in_nftables() const { return config_->gate_mode == config::GateMode::table; }
    void write_networks(nft::Transaction& transaction) const;

    // Makes the changes, everywhere or nowhere.
    Result<void> apply(Changes changes, const Now& now);
    void write_changes(nft::Transaction& transaction, const Changes& before, const Now& now) const;
    Result<void> put_into_filter(const Changes& before);
    void take_from_filter(const Changes& before);
    void restore(const Changes& before);
    Result<void> report(const Prefix& prefix) const;
    void report_event(const Prefix& prefix, const authz::BanClaims& before, const Now& now) const;

    Parts parts_;
    std::unique_ptr<xdp::BanFilter> filter_;
    std::shared_ptr<const config::Config> config_;
    authz::BanBook book_;
    BanFile file_;
    bool networks_stale_ = false; // the sets hold networks whose ban is over: nftables did not take the change
};

} // namespace xk
