// SPDX-License-Identifier: MIT
//
// Grants: the grants, in the book and in the kernel at once. Every change is one nftables transaction; the book takes
// it over when the kernel has, so that the two cannot differ by a failure. After a restart the book is read back from
// the elements, which carry their holders.
//
//   grants.cpp         requests: open and close
//   grants_apply.cpp   how changes become a transaction, and which ones wait for it
//   grants_sets.cpp    the sets: taking over, writing all anew, elements of strangers
//   grants_rights.cpp  grants that end before their time, or do not get more of it
//   grants_names.cpp   services, ports and names of pinholes, by the present configuration
#pragma once

#include "daemon/authz/bans.h"
#include "daemon/authz/grant_book.h"
#include "daemon/authz/reject.h"
#include "daemon/config/config.h"
#include "daemon/grants/pace.h"
#include "daemon/nft/pinhole_sets.h"
#include "daemon/nft/sets.h"
#include "daemon/xdp/source_guard.h"

#include <functional>
#include <map>
#include <memory>
#include <set>

namespace xk {

class Grants {
  public:
    using Clock = std::function<BootTime()>;

    // `sets` must outlive it. `clock` says how long a transaction took.
    Grants(nft::Sets& sets, std::shared_ptr<const config::Config> config, Clock clock = &BootClock::now);

    // Is told of every grant before the kernel is. It must outlive the grants.
    void set_guard(xdp::SourceGuard& guard) { guard_ = &guard; }

    // Another configuration counts from now on. Grants that it does not allow are closed, and none outlasts its user.
    Result<void> reconfigure(std::shared_ptr<const config::Config> config, const Now& now);
    // Closes what nobody may hold any more by now: dates and hours. To be called once a second.
    Result<void> end_barred(const Now& now);

    // Reads back what a daemon before us granted.
    Result<void> adopt(const Now& now);

    // What is to be opened in a pause (pace.h) waits here and is opened together at its end. `on_done` is told of each
    // transaction that had such pinholes whether it was done; those of one that was not are shut.
    void on_done(std::function<void(bool)> told) { on_done_ = std::move(told); }
    // `opening` may add to the transaction that opens a pinhole; `opened` is told when it is done.
    using Opening = std::function<void(nft::Transaction&, const authz::Pinhole&)>;
    void on_open(Opening opening, std::function<void(const authz::Pinhole&)> opened);
    bool any_waiting() const { return !waiting_.empty(); }
    BootTime due() const { return pace_.due(book_.pinholes()); }
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
    // By the operator, or because of a panic. The number of pinholes that were closed or narrowed.
    Result<std::size_t> close_prefix(const Prefix& prefix, const Now& now,
                                     authz::EndCause cause = authz::EndCause::by_operator);
    Result<std::size_t> close_banned(const authz::BanList& bans, const Now& now);
    Result<std::size_t> close_credentials(const std::vector<wire::CredentialId>& credentials, const Now& now);
    // Of everybody but the operator: in a panic.
    Result<std::size_t> close_users(const Now& now);

    // Forgets grants that are over, when the kernel is sure to have closed their pinholes.
    void expire(BootTime now);
    // All of them as they are to be, as a part of a transaction: with the time that is left by our clock. After the
    // machine slept (the time-outs of elements stood still, ours did not), or where the sets were lost.
    void write(nft::Transaction& transaction, const Now& now);
    // That transaction is over, whether it was `done` or not; its time-outs were worked out for this moment. Where it
    // was not, what waited goes on to wait.
    void was_written(BootTime since, bool done);
    Result<void> restore(const Now& now); // write() as a transaction of its own, and without strangers
    // Takes out elements of our sets that are in nobody's book (loaded from a ruleset that was saved, say, or put in by
    // hand) and says so in the log. In mode "external" the sets are the administrator's, and so is what else is in
    // them.
    Result<void> expel_strangers();
    // Forgets those that the kernel does not have: somebody took them away by hand. How many they were.
    Result<std::size_t> forget_missing();
    // Forgets pinholes of single use that the kernel has let a connection in by.
    Result<void> forget_used();
    void forget(const std::set<authz::Pinhole>& pinholes, authz::EndCause cause);
    // Those that are still open are to be so for this long from now on, if that is longer, and for holders who still
    // may.
    Result<void> prolong(const std::map<authz::Pinhole, std::chrono::seconds>& pinholes, const Now& now);
    const authz::GrantBook& book() const { return book_; }
    std::vector<authz::GrantBook::Began> take_began() { return book_.take_began(); }
    std::vector<authz::GrantBook::Ended> take_ended() { return book_.take_ended(); }
    std::vector<authz::GrantBook::Prolonged> take_prolonged() { return book_.take_prolonged(); }

    const authz::Policy& policy() const { return config_->policy; }
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
    using Bar = std::function<std::optional<authz::Reject>(const authz::Pinhole&, const wire::CredentialId&)>;

    Result<std::vector<Stranger>> list_strangers() const;
    static void expel(nft::Transaction& transaction, const std::vector<Stranger>& strangers);
    bool is_external() const { return config_->gate_mode == config::GateMode::external; }
    std::optional<PortRange> range_of(const authz::Pinhole& pinhole) const;
    std::vector<nft::PinholeSet> all_sets() const;
    nft::PinholeSet set_of(const authz::Pinhole& pinhole, bool single_use) const;
    Result<std::set<authz::Pinhole>> list_pinholes(bool single_use_only) const;
    std::string comment_of(const std::vector<authz::Holder>& holders) const;

    void bind_config(std::shared_ptr<const config::Config> config);
    Result<void> close_barred(const Bar& bar, const Now& now);
    Result<void> shorten_to_rights(const Now& now);
    BootTime end_of(const wire::CredentialId& credential, BootTime wanted, const Now& now) const;

    Result<void> apply(const std::vector<authz::PinholeChange>& changes, const Now& now);
    std::vector<authz::PinholeChange> with_waiting(const std::vector<authz::PinholeChange>& changes) const;
    std::vector<authz::PinholeChange> as_in_kernel() const;
    void write_changes(nft::Transaction& transaction, const std::vector<authz::PinholeChange>& changes,
                       const Now& now) const;
    void write_change(nft::Transaction& transaction, const authz::PinholeChange& change, const Now& now) const;
    // What the kernel holds: the book, but for the pinholes that wait.
    const std::vector<authz::Holder>* in_kernel(const authz::Pinhole& pinhole) const;
    bool has_to_wait(BootTime now) const;
    void let_wait(const std::vector<authz::PinholeChange>& changes);
    void end_waiting(bool done);
    void note_lag(BootTime since);

    std::string names_of(const authz::Permit& permit) const;
    Done carry_out(const authz::Permit& permit, const wire::CredentialId& credential, const Now& now);
    Done apply_closing(const std::vector<authz::PinholeChange>& changes, const Now& now);

    nft::Sets& sets_;
    std::shared_ptr<const config::Config> config_;
    Clock clock_;
    xdp::SourceGuard* guard_ = nullptr;
    authz::GrantBook book_;
    Pace pace_;
    std::map<authz::Pinhole, std::vector<authz::Holder>> waiting_; // not in the kernel yet, and who holds them there
    std::chrono::nanoseconds behind_{0}; // the most that time-outs in the kernel end later than in the book
    std::function<void(bool)> on_done_ = [](bool) {};
    Opening opening_ = [](nft::Transaction&, const authz::Pinhole&) {};
    std::function<void(const authz::Pinhole&)> opened_ = [](const authz::Pinhole&) {};
    std::set<authz::Pinhole> to_open_;                // asked for since the last transaction
    std::map<wire::CredentialId, std::size_t> bound_; // credentials that have dates or hours, and their index
};

} // namespace xk
