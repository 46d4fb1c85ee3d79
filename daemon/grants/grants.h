// SPDX-License-Identifier: MIT
//
// Grants: the grants, in the book and in the kernel at once. Every change is one nftables transaction; the book
// takes it over when the kernel has. After a restart the book is read back from the elements, which
// carry their holders.
#pragma once

#include "daemon/authz/bans.h"
#include "daemon/authz/grant_book.h"
#include "daemon/authz/reject.h"
#include "daemon/config/config.h"
#include "daemon/nft/pinhole_sets.h"
#include "daemon/nft/transaction.h"
#include "daemon/xdp/syn_guard.h"

#include <functional>
#include <map>
#include <set>

namespace xk {

class Grants {
  public:
    Grants(nft::Socket& socket, const config::Config& config);

    // Is told of every grant before the kernel is.
    void set_guard(xdp::SynGuard& guard) { guard_ = &guard; }

    // Another configuration counts from now on. Grants that it does not allow are closed, and none outlasts its user.
    Result<void> reconfigure(const config::Config& config);
    // Closes what nobody may hold any more by now: dates and hours. To be called once a second.
    Result<void> end_barred(const Now& now);

    // Reads back what a daemon before us granted.
    Result<void> adopt(const Now& now);

    // Somebody else who lists large sets begins again whenever they change, and never ends where they always do. So
    // where there are many pinholes, a run of transactions is followed by a pause that leaves room for a listing, and
    // what is to be opened in it waits here and is opened together at its end. `on_done` is told of each transaction
    // that had such pinholes whether it was done; those of one that was not are shut.
    void on_done(std::function<void(bool)> told) { on_done_ = std::move(told); }
    // `opening` may add to the transaction that opens a pinhole; `opened` is told when it is done.
    using Opening = std::function<void(nft::Transaction&, const authz::Pinhole&)>;
    void on_open(Opening opening, std::function<void(const authz::Pinhole&)> opened);
    bool any_waiting() const { return !waiting_.empty(); }
    BootTime due() const { return last_ + pause(); }
    void settle(const Now& now);

    // By request of the worker; everything is checked again. What was done is for the log.
    struct Done {
        authz::Answer answer = authz::Answer::failed;
        std::string service; // names, of more than one with commas
        std::vector<authz::Pinhole> pinholes;
        std::chrono::seconds lifetime{0}; // the longest of theirs
        std::optional<Error> error;       // answer failed
    };
    Done open(const authz::GrantRequest& request, const authz::BanList& bans, const std::set<Address>& own_addresses,
              const Now& now);
    Done close(const authz::GrantRequest& request, const Now& now);
    Done close_all(std::uint32_t credential, const Now& now);

    // By the operator, with the same checks but those of a user's rights.
    Done open_by_operator(const authz::GrantRequest& request, const authz::BanList& bans,
                          const std::set<Address>& own_addresses, const Now& now);
    // By the operator. The number of pinholes that were closed or narrowed.
    Result<std::size_t> close_prefix(const Prefix& prefix, const Now& now);
    Result<std::size_t> close_banned(const authz::BanList& bans, const Now& now);
    Result<std::size_t> close_credentials(const std::vector<wire::CredentialId>& credentials, const Now& now);
    // Of everybody but the operator.
    Result<std::size_t> close_users(const Now& now);

    // Forgets grants that are over, when the kernel is sure to have closed their pinholes.
    void expire(BootTime now);
    // A transaction that write() had a part in is done; its time-outs were worked out for this moment.
    void was_written(BootTime since);
    // All of them as they are to be, as a part of a transaction: with the time that is left by our clock. After the
    // machine slept (the time-outs of elements stood still, ours did not), or where the sets were lost.
    void write(nft::Transaction& transaction, const Now& now);
    Result<void> restore(const Now& now); // and without strangers
    // Takes out elements of our sets that are in nobody's book (loaded from a ruleset that was saved, say, or put in by
    // hand) and says so in the log. In mode "external" the sets are the administrator's, and so is what else is in
    // them.
    Result<void> expel_strangers();
    // Forgets those that the kernel does not have: somebody took them away by hand. How many they were.
    Result<std::size_t> forget_missing();
    // Forgets pinholes for one connection that the kernel has let one in by.
    Result<void> forget_taken();
    void forget(const std::set<authz::Pinhole>& pinholes);
    // Those that are still open are to be so for this long from now on, if that is longer, and for holders who still
    // may.
    Result<void> prolong(const std::map<authz::Pinhole, std::chrono::seconds>& pinholes, const Now& now);
    const authz::GrantBook& book() const { return book_; }
    std::vector<authz::GrantBook::Began> take_began() { return book_.take_began(); }
    std::vector<authz::GrantBook::Ended> take_ended() { return book_.take_ended(); }

    // The pinhole of the present configuration that this port is, or is of.
    std::optional<authz::Pinhole> pinhole_like(const authz::Pinhole& like) const;
    // The service that a pinhole belongs to, by the present configuration; null where there is none any more.
    const authz::Service* service_of(const authz::Pinhole& pinhole) const;
    // The ports that it is of: one, or a range.
    PortRange ports_of(const authz::Pinhole& pinhole) const;
    // "anna/laptop", "operator"; of one whom nobody knows any more "unknown".
    std::string label_of(const wire::CredentialId& credential) const;
    // "tcp/22", "tcp/27015-27030", "tcp/22 of 198.51.100.7"
    std::string text_of(const authz::Pinhole& pinhole) const;

  private:
    struct Stranger {
        nft::SetName set;
        std::vector<std::uint8_t> key;
        std::string text; // for the log
    };
    Result<std::vector<Stranger>> strangers() const;
    static void expel(nft::Transaction& transaction, const std::vector<Stranger>& strangers);
    bool external() const { return config_->gate_mode == config::GateMode::external; }
    std::optional<PortRange> range_of(const authz::Pinhole& pinhole) const;
    std::vector<nft::PinholeSet> sets() const;
    nft::PinholeSet set_of(const authz::Pinhole& pinhole, bool once) const;
    Result<std::set<authz::Pinhole>> list_elements(bool once_only) const;
    std::string comment_of(const std::vector<authz::Holder>& holders) const;
    Result<void> apply(const std::vector<authz::PinholeChange>& changes, const Now& now);
    void use(const config::Config& config);
    Result<void>
    end(const std::function<std::optional<authz::Reject>(const authz::Pinhole&, const wire::CredentialId&)>& bar,
        const Now& now);
    BootTime end_of(const wire::CredentialId& credential, BootTime wanted, const Now& now) const;
    void write(nft::Transaction& transaction, const std::vector<authz::PinholeChange>& changes, const Now& now) const;
    std::chrono::nanoseconds pause() const;
    bool is_pause(BootTime now) const;
    // What the kernel holds: the book, but for the pinholes that wait.
    const std::vector<authz::Holder>* in_kernel(const authz::Pinhole& pinhole) const;
    void forget_waiting(bool done);
    std::string names_of(const authz::Permit& permit) const;
    Done carry_out(const authz::Permit& permit, const wire::CredentialId& credential, const Now& now);
    Done apply_closing(const std::vector<authz::PinholeChange>& changes, const Now& now);

    nft::Socket& socket_;
    const config::Config* config_;
    xdp::SynGuard* guard_ = nullptr;
    authz::GrantBook book_;
    std::map<authz::Pinhole, std::vector<authz::Holder>> waiting_; // not in the kernel yet, and who holds them there
    BootTime last_{};                                              // transaction
    std::chrono::nanoseconds behind_{0}; // the most that time-outs in the kernel end later than in the book
    BootTime run_began_{};               // of transactions without a pause between them
    std::function<void(bool)> on_done_ = [](bool) {};
    Opening opening_ = [](nft::Transaction&, const authz::Pinhole&) {};
    std::function<void(const authz::Pinhole&)> opened_ = [](const authz::Pinhole&) {};
    std::set<authz::Pinhole> to_open_;                // asked for since the last transaction
    std::map<wire::CredentialId, std::size_t> bound_; // credentials that have dates or hours, and their index
};

} // namespace xk
