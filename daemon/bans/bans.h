// SPDX-License-Identifier: MIT
//
// Bans keeps the bans the same in all places: in nftables (not in gate mode "external", where the sets belong to the
// administrator), in the filter at the NIC and in the worker; and it closes the grants of banned addresses. Each owner
// of a ban has a time of its own, and the longest one counts in all places. A file keeps the owners for the next
// daemon.
//
//   bans.cpp        decides who may be banned, by whom and for how long
//   bans_apply.cpp  makes a change everywhere or nowhere
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
    // The places of the bans. All of them must outlive this object.
    struct Parts {
        nft::Sets& sets;
        Grants& grants;
        BanListener& listener;
        authz::EventSink& sink;
    };

    Bans(Parts parts, std::unique_ptr<xdp::BanFilter> filter, std::shared_ptr<const config::Config> config)
        : parts_(parts), filter_(std::move(filter)), config_(std::move(config)) {}

    // From now on `config` counts. Bans of networks that it allows or never bans are lifted. After an error they stand,
    // and another call lifts them.
    Result<void> reconfigure(std::shared_ptr<const config::Config> config, const Now& now);
    // From now on another BPF program filters. It gets the number of bans, because without it the program does not look
    // up any ban.
    void bind_filter(std::unique_ptr<xdp::BanFilter> filter);

    // Reads back the bans of an earlier daemon from its file. Bans that the file lacks come from the filter's pinned
    // maps, with the owners that nftables has as comments; without the file also bans that only nftables knows. A file
    // of a newer release is an error.
    Result<void> adopt(BanFile file, const Now& now);
    // Writes all bans into filter and nftables. To be called at the start, when the ruleset is there.
    Result<void> install(const Now& now);
    // Adds all bans to the transaction that makes the ruleset anew. Adds nothing in mode "external".
    void write(nft::Transaction& transaction, const Now& now) const;
    // Reports all bans to the listener.
    Result<void> report_all() const;

    // The request of one owner.
    struct Request {
        std::vector<Prefix> prefixes;
        std::optional<std::chrono::seconds> time; // none: for ever
        std::string owner;
        // An address of IPv6 is banned by its network of so many bits. It is banned alone where that network contains
        // an address that may not be banned.
        unsigned ipv6_prefix = 128;
    };
    struct Refusal {
        Prefix prefix;
        Error error;
    };
    struct Banned {
        std::vector<Prefix> prefixes; // the prefixes or their networks, which are banned now
        std::vector<Refusal> refused;
        // The bans count, but a later step failed: the listener does not know them, or grants stay open. The error says
        // which. The same request again repeats these steps.
        std::optional<Error> unfinished;
    };
    // Bans in one transaction all prefixes that may be banned, and returns the others with a reason each. gate.allow,
    // gate.never_ban, this host's own addresses and loopback may not be banned. A second ban by the same owner prolongs
    // the first one and never shortens it. An error means that nothing changed.
    Result<Banned> ban(const Request& request, const std::set<Address>& own_addresses, const Now& now);

    // Lifts the bans of this owner, or of all owners, in one transaction. Returns how many.
    Result<std::size_t> unban(const std::vector<Prefix>& prefixes, const std::optional<std::string>& owner,
                              const Now& now);
    enum class Family { any, v4, v6 };
    Result<std::size_t> unban_all(Family family, const std::optional<std::string>& owner, const Now& now);

    // Removes the bans that are over.
    void expire(const Now& now);

    const authz::BanBook& book() const { return book_; }
    const authz::BanList& list() const { return book_.list(); }

    // Returns the name of an owner as it is kept: printable and cut to nft::kMaxComment bytes.
    static std::string owner_of(const std::string& reason);

  private:
    // Prefixes with their new claims, or with their earlier ones.
    using Changes = std::map<Prefix, authz::BanClaims>;

    struct Room { // how many more of each there may be
        std::size_t addresses, networks, claims;
    };

    Room count_room() const;
    Result<Prefix> target_of(const authz::BanClaim& claim, unsigned ipv6_prefix, const std::set<Address>& own_addresses,
                             Room& room, const Changes& changes) const;
    Result<void> take_room(Room& room, const Prefix& prefix, const authz::BanClaim& claim,
                           const Changes& changes) const;
    std::size_t move_claims(const Prefix& lifted, Room& room, Changes& changes) const;
    Result<void> may_ban(const Prefix& prefix, const std::set<Address>& own_addresses) const;
    bool is_spared(const Prefix& prefix) const;
    bool in_nftables() const { return config_->gate_mode == config::GateMode::table; }
    void write_networks(nft::Transaction& transaction) const;
    void end_networks(bool some_are_over);

    // Makes the changes everywhere, or returns an error and makes none. Afterwards the caller notifies the listener
    // with report_changes(). `cause` is the reason of the bans that end.
    Result<Changes> apply(Changes changes, const Now& now, authz::EndCause cause); // the claims from before
    Result<void> report_changes(const Changes& before) const;
    Result<void> apply_and_report(Changes changes, const Now& now,
                                  authz::EndCause cause = authz::EndCause::by_operator);
    void write_changes(nft::Transaction& transaction, const Changes& before, const Now& now) const;
    Result<void> put_into_filter(const Changes& before);
    void take_from_filter(const Changes& before);
    void restore(const Changes& before);
    Result<void> report(const Prefix& prefix) const;
    void report_event(const Prefix& prefix, const authz::BanClaims& before, authz::EndCause cause,
                      const Now& now) const;

    Parts parts_;
    std::unique_ptr<xdp::BanFilter> filter_;
    std::shared_ptr<const config::Config> config_;
    authz::BanBook book_;
    BanFile file_;
    bool networks_stale_ = false; // nftables did not take the end of a network's ban
};

} // namespace xk
