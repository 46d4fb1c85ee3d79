// SPDX-License-Identifier: MIT
//
// Doors: the grants, in the book and in the kernel at once. Every change is one nftables transaction; the book
// takes it over when the kernel has. After a restart the book is read back from the elements, which
// carry their holders.
#pragma once

#include "daemon/config/config.h"
#include "daemon/gate/bans.h"
#include "daemon/gate/grants.h"
#include "daemon/nft/door_sets.h"
#include "daemon/nft/transaction.h"

#include <set>

namespace xk {

class Doors {
  public:
    Doors(nft::Socket& socket, const config::Config& config);

    // Another configuration counts from now on. Grants that it does not allow are closed.
    Result<void> reconfigure(const config::Config& config);

    // Reads back what a daemon before us granted.
    Result<void> adopt(const Now& now);

    // By request of the worker; everything is checked again. What was done is for the log.
    struct Done {
        gate::Answer answer = gate::Answer::failed;
        std::string service; // names, of more than one with commas
        std::vector<gate::Door> doors;
        std::chrono::seconds lifetime{0}; // the longest of theirs
        std::optional<Error> error; // answer failed
    };
    Done open(const gate::DoorRequest& request, const gate::BanList& bans,
              const std::set<Address>& own_addresses, const Now& now);
    Done close(const gate::DoorRequest& request, const Now& now);
    Done close_all(std::uint32_t credential, const Now& now);

    // By the operator, with the same checks but those of a user's rights.
    Done open_by_operator(const gate::DoorRequest& request, const gate::BanList& bans,
                          const std::set<Address>& own_addresses, const Now& now);
    // By the operator. The number of doors that were closed or narrowed.
    Result<std::size_t> close_prefix(const Prefix& prefix, const Now& now);
    Result<std::size_t> close_banned(const gate::BanList& bans, const Now& now);
    Result<std::size_t> close_credentials(const std::vector<wire::CredentialId>& credentials, const Now& now);

    void expire(BootTime now) { book_.expire(now); }
    // All of them as they are to be, as a part of a transaction: with the time that is left by our clock. After the
    // machine slept (the time-outs of elements stood still, ours did not), or where the sets were lost.
    void write(nft::Transaction& transaction, const Now& now);
    Result<void> restore(const Now& now);
    // Forgets those that the kernel does not have: somebody took them away by hand. How many they were.
    Result<std::size_t> forget_missing();
    // Prolongs the doors that are still open: their sessions live.
    Result<void> prolong(const std::vector<gate::Door>& doors, BootTime until, const Now& now);
    const gate::GrantBook& book() const { return book_; }
    std::vector<gate::GrantBook::Began> take_began() { return book_.take_began(); }
    std::vector<gate::GrantBook::Ended> take_ended() { return book_.take_ended(); }

    // The service that a door belongs to, by the present configuration; null where there is none any more.
    const gate::Service* service_of(const gate::Door& door) const;
    // "tcp/22", "tcp/27015-27030", "tcp/22 of 198.51.100.7"
    std::string text_of(const gate::Door& door) const;

  private:
    bool external() const { return config_->gate_mode == config::GateMode::external; }
    std::optional<PortRange> range_of(const gate::Door& door) const;
    std::vector<nft::DoorSet> sets() const;
    nft::DoorSet set_of(const gate::Door& door, bool once) const;
    std::string comment_of(const std::vector<gate::Holder>& holders) const;
    Result<void> apply(const std::vector<gate::DoorChange>& changes, const Now& now);
    void write(nft::Transaction& transaction, const std::vector<gate::DoorChange>& changes, const Now& now) const;
    std::string names_of(const gate::Permit& permit) const;
    Done carry_out(const gate::Permit& permit, const wire::CredentialId& credential, const Now& now);
    Done apply_closing(const std::vector<gate::DoorChange>& changes, const Now& now);

    nft::Socket& socket_;
    const config::Config* config_;
    gate::GrantBook book_;
};

} // namespace xk
