// SPDX-License-Identifier: MIT
//
// Doors: the grants, in the book and in the kernel at once. Every change is one nftables transaction; the book
// takes it over when the kernel has. After a restart the book is read back from the elements, which
// carry their holders.
#pragma once

#include "daemon/config/config.h"
#include "daemon/gate/bans.h"
#include "daemon/gate/grants.h"
#include "daemon/gate/reject.h"
#include "daemon/nft/door_sets.h"
#include "daemon/nft/transaction.h"
#include "daemon/xdp/syn_guard.h"

#include <functional>
#include <map>
#include <set>

namespace xk {

class Doors {
  public:
    Doors(nft::Socket& socket, const config::Config& config);

    // Is told of every grant before the kernel is.
    void set_guard(xdp::SynGuard& guard) { guard_ = &guard; }

    // Another configuration counts from now on. Grants that it does not allow are closed, and none outlasts its user.
    Result<void> reconfigure(const config::Config& config);
    // Closes what nobody may hold any more by now: dates and hours. To be called once a second.
    Result<void> end_barred(const Now& now);

    // Reads back what a daemon before us granted.
    Result<void> adopt(const Now& now);

    // Somebody else who lists large sets begins again whenever they change, and never ends where they always do. So where
    // there are many doors, a run of transactions is followed by a pause that leaves room for a listing, and what is to be
    // opened in it waits here and is opened together at its end. `on_done` is told of each transaction that had such doors whether it was done; those of one that was not are shut.
    void on_done(std::function<void(bool)> told) { on_done_ = std::move(told); }
    // `opening` may add to the transaction that opens a door; `opened` is told when it is done.
    using Opening = std::function<void(nft::Transaction&, const gate::Door&)>;
    void on_open(Opening opening, std::function<void(const gate::Door&)> opened);
    bool any_waiting() const { return !waiting_.empty(); }
    BootTime due() const { return last_ + pause(); }
    void settle(const Now& now);

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
    // Of everybody but the operator.
    Result<std::size_t> close_users(const Now& now);

    // Forgets grants that are over, when the kernel is sure to have closed their doors.
    void expire(BootTime now);
    // A transaction that write() had a part in is done; its time-outs were worked out for this moment.
    void was_written(BootTime since);
    // All of them as they are to be, as a part of a transaction: with the time that is left by our clock. After the
    // machine slept (the time-outs of elements stood still, ours did not), or where the sets were lost.
    void write(nft::Transaction& transaction, const Now& now);
    Result<void> restore(const Now& now); // and without strangers
    // Takes out elements of our sets that are in nobody's book (loaded from a ruleset that was saved, say, or put in by
    // hand) and says so in the log. In mode "external" the sets are the administrator's, and so is what else is in them.
    Result<void> expel_strangers();
    // Forgets those that the kernel does not have: somebody took them away by hand. How many they were.
    Result<std::size_t> forget_missing();
    // Forgets doors for one connection that the kernel has let one in by.
    Result<void> forget_taken();
    void forget(const std::set<gate::Door>& doors);
    // Those that are still open are to be so for this long from now on, if that is longer, and for holders who still may.
    Result<void> prolong(const std::map<gate::Door, std::chrono::seconds>& doors, const Now& now);
    const gate::GrantBook& book() const { return book_; }
    std::vector<gate::GrantBook::Began> take_began() { return book_.take_began(); }
    std::vector<gate::GrantBook::Ended> take_ended() { return book_.take_ended(); }

    // The door of the present configuration that this port is, or is of.
    std::optional<gate::Door> door_like(const gate::Door& like) const;
    // The service that a door belongs to, by the present configuration; null where there is none any more.
    const gate::Service* service_of(const gate::Door& door) const;
    // The ports that it is of: one, or a range.
    PortRange ports_of(const gate::Door& door) const;
    // "anna/laptop", "operator"; of one whom nobody knows any more "unknown".
    std::string label_of(const wire::CredentialId& credential) const;
    // "tcp/22", "tcp/27015-27030", "tcp/22 of 198.51.100.7"
    std::string text_of(const gate::Door& door) const;

  private:
    struct Stranger {
        nft::SetName set;
        std::vector<std::uint8_t> key;
        std::string text; // for the log
    };
    Result<std::vector<Stranger>> strangers() const;
    static void expel(nft::Transaction& transaction, const std::vector<Stranger>& strangers);
    bool external() const { return config_->gate_mode == config::GateMode::external; }
    std::optional<PortRange> range_of(const gate::Door& door) const;
    std::vector<nft::DoorSet> sets() const;
    nft::DoorSet set_of(const gate::Door& door, bool once) const;
    Result<std::set<gate::Door>> list_elements(bool once_only) const;
    std::string comment_of(const std::vector<gate::Holder>& holders) const;
    Result<void> apply(const std::vector<gate::DoorChange>& changes, const Now& now);
    void use(const config::Config& config);
    Result<void> end(const std::function<std::optional<gate::Reject>(const gate::Door&, const wire::CredentialId&)>& bar,
                     const Now& now);
    BootTime end_of(const wire::CredentialId& credential, BootTime wanted, const Now& now) const;
    void write(nft::Transaction& transaction, const std::vector<gate::DoorChange>& changes, const Now& now) const;
    std::chrono::nanoseconds pause() const;
    bool is_pause(BootTime now) const;
    // What the kernel holds: the book, but for the doors that wait.
    const std::vector<gate::Holder>* in_kernel(const gate::Door& door) const;
    void forget_waiting(bool done);
    std::string names_of(const gate::Permit& permit) const;
    Done carry_out(const gate::Permit& permit, const wire::CredentialId& credential, const Now& now);
    Done apply_closing(const std::vector<gate::DoorChange>& changes, const Now& now);

    nft::Socket& socket_;
    const config::Config* config_;
    xdp::SynGuard* guard_ = nullptr;
    gate::GrantBook book_;
    std::map<gate::Door, std::vector<gate::Holder>> waiting_; // not in the kernel yet, and who holds them there
    BootTime last_{};                                         // transaction
    std::chrono::nanoseconds behind_{0}; // the most that time-outs in the kernel end later than in the book
    BootTime run_began_{};                                    // of transactions without a pause between them
    std::function<void(bool)> on_done_ = [](bool) {};
    Opening opening_ = [](nft::Transaction&, const gate::Door&) {};
    std::function<void(const gate::Door&)> opened_ = [](const gate::Door&) {};
    std::set<gate::Door> to_open_; // asked for since the last transaction
    std::map<wire::CredentialId, std::size_t> bound_; // credentials that have dates or hours, and their index
};

} // namespace xk
