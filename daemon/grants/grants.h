// SPDX-License-Identifier: MIT
//
// Grants keeps the grants in the book and in the kernel. Every change is one nftables transaction. The book follows
// only when the kernel has taken it, so no failure makes the two differ. After a restart the book is read back from the
// elements, which carry their holders.
//
//   grants.cpp         opens and closes pinholes by request
//   grants_close.cpp   closes for a user, the operator or a ban
//   grants_waiting.cpp lets changes wait for the next transaction
//   grants_sets.cpp    takes the sets over, writes them anew, and removes foreign elements
//   grants_rights.cpp  ends or shortens grants whose holders lost the right to them, and prolongs the others
//   grants_names.cpp   names services, ports and pinholes by the present configuration
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
#include <utility>
#include <vector>

namespace xk {

class Grants {
  public:
    using Clock = std::function<BootTime()>;

    // `sets` must outlive this object. `clock` measures how long a transaction takes.
    Grants(nft::Sets& sets, std::shared_ptr<const config::Config> config, Clock clock = &BootClock::now);

    // The filter must know a source before the kernel opens a pinhole for it. `guard` must outlive this object.
    void set_guard(xdp::SourceGuard& guard) { guard_ = &guard; }

    // From now on `config` counts. Grants that it does not allow are closed, and no grant ends later than its user's
    // valid_until.
    Result<void> reconfigure(std::shared_ptr<const config::Config> config, const Now& now);
    // Closes grants whose holders are outside of their dates or hours. To be called once a second.
    Result<void> end_barred(const Now& now);

    // Reads back the grants of an earlier daemon.
    Result<void> adopt(const Now& now);

    // A pinhole that has to open in a pause (pace.h) waits, and all that wait open together when the pause ends. `told`
    // is called after each transaction that had such pinholes, with its success. Where it failed these pinholes are
    // shut.
    void on_done(std::function<void(bool)> told) { on_done_ = std::move(told); }
    // `opening` may add to the transaction that opens a pinhole; `opened` is called when that transaction is done.
    using Opening = std::function<void(nft::Transaction&, const authz::Pinhole&)>;
    void on_open(Opening opening, std::function<void(const authz::Pinhole&)> opened);
    bool any_waiting() const { return !waiting_.empty(); }
    BootTime due() const { return pace_.due(book_.pinholes()); } // the end of the pause
    // Opens the pinholes that wait. An error is logged.
    void settle(const Now& now);

    // For a request of the worker. Everything is checked again. All fields but `answer` are for the log.
    struct Done {
        authz::Answer answer = authz::Answer::failed;
        std::string service; // names, separated by commas
        std::vector<authz::Pinhole> pinholes;
        std::chrono::seconds lifetime{0}; // the longest of the pinholes
        std::optional<Error> error;       // why the answer is `failed`
    };
    Done open_grant(const authz::GrantRequest& request, const authz::BanList& bans,
                    const std::set<Address>& own_addresses, const Now& now);
    Done close_grant(const authz::GrantRequest& request, const Now& now);
    Done close_all(std::uint32_t credential, const Now& now);

    // For the operator: the same checks without those of a user's rights.
    Done open_by_operator(const authz::GrantRequest& request, const authz::BanList& bans,
                          const std::set<Address>& own_addresses, const Now& now);
    // For the operator, or in a panic. These return how many pinholes were closed or lost a holder. After an error they
    // may be called again: nothing that is closed is counted twice.
    Result<std::size_t> close_prefix(const Prefix& prefix, const Now& now,
                                     authz::EndCause cause = authz::EndCause::by_operator);
    // An error names pinholes of banned addresses that stay open.
    Result<std::size_t> close_banned(const authz::BanList& bans, const Now& now);
    Result<std::size_t> close_credentials(const std::vector<wire::CredentialId>& credentials, const Now& now);
    // For a panic: closes every grant but those of the operator.
    Result<std::size_t> close_users(const Now& now);

    // Forgets grants that are over, as soon as the kernel has certainly closed their pinholes.
    void expire(BootTime now);
    // Adds all grants to a transaction, with the time that is left by boot time. It is for sets that were lost, and for
    // a machine that slept: the kernel's time-outs stand still then, and boot time does not.
    void write(nft::Transaction& transaction, const Now& now);
    // The transaction of write() is over. `since` is the moment from which its time-outs were computed. Where it
    // failed, the pinholes that waited go on waiting.
    void was_written(BootTime since, bool done);
    Result<void> restore(const Now& now); // write() in a transaction of its own, which also removes foreign elements
    // Removes elements of our sets that belong to no grant, and logs them. They come, for example, from a saved ruleset
    // or from a command of the administrator. In mode "external" the sets belong to the administrator, and so do all
    // other elements in them.
    Result<void> expel_strangers();
    // Forgets pinholes that the kernel does not have, because somebody removed them by hand. Returns their number.
    Result<std::size_t> forget_missing();
    // Forgets pinholes of single use that have let a connection in.
    Result<void> forget_used();
    void forget(const std::set<authz::Pinhole>& pinholes, authz::EndCause cause);
    // Makes each open pinhole last for at least this time from now on, for holders who may still hold it.
    Result<void> prolong(const std::map<authz::Pinhole, std::chrono::seconds>& pinholes, const Now& now);
    const authz::GrantBook& book() const { return book_; }
    std::vector<authz::GrantBook::Began> take_began() { return book_.take_began(); }
    std::vector<authz::GrantBook::Ended> take_ended() { return book_.take_ended(); }
    struct Prolonged {
        authz::Pinhole pinhole;
        wire::CredentialId credential;
        bool by_sessions; // prolonged by prolong() and not by a knock
    };
    std::vector<Prolonged> take_prolonged();
    // The reasons of the holders whose grants ended since the last call with cause `rights` or `configuration`.
    using Barred = std::map<std::pair<authz::Pinhole, wire::CredentialId>, authz::Reject>;
    Barred take_barred() { return std::exchange(barred_, {}); }

    const authz::Policy& policy() const { return config_->policy; }
    // The pinhole of the present configuration that contains this port: the port itself, or its range.
    std::optional<authz::Pinhole> pinhole_like(const authz::Pinhole& like) const;
    // The service of a pinhole by the present configuration; null where it has none any more.
    const authz::Service* service_of(const authz::Pinhole& pinhole) const;
    // The ports of the pinhole: one, or a range.
    PortRange ports_of(const authz::Pinhole& pinhole) const;
    // "anna/laptop", "operator"; "unknown" where the configuration has no such credential any more.
    std::string label_of(const wire::CredentialId& credential) const;
    // "tcp/22", "tcp/27015-27030", "tcp/22 of 198.51.100.7"
    std::string text_of(const authz::Pinhole& pinhole) const;

  private:
    struct Stranger { // an element of our sets that belongs to no grant
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
    // The holders that the kernel has: those of the book, except for pinholes that wait.
    const std::vector<authz::Holder>* in_kernel(const authz::Pinhole& pinhole) const;
    bool has_to_wait(BootTime now) const;
    void let_wait(const std::vector<authz::PinholeChange>& changes);
    void end_waiting(bool done);
    void remember_lag(BootTime since);
    void collect_prolonged(bool by_sessions);

    std::string names_of(const authz::Permit& permit) const;
    Done carry_out(const authz::Permit& permit, const wire::CredentialId& credential, const Now& now);
    std::string text_of_some(const std::vector<authz::PinholeChange>& changes) const;
    Done apply_closing(const std::vector<authz::PinholeChange>& changes, const Now& now);

    nft::Sets& sets_;
    std::shared_ptr<const config::Config> config_;
    Clock clock_;
    xdp::SourceGuard* guard_ = nullptr;
    authz::GrantBook book_;
    std::vector<Prolonged> prolonged_; // not taken yet
    Barred barred_;                    // not taken yet
    Pace pace_;
    // Pinholes that the book has and the kernel does not have yet, with the holders that the kernel has instead.
    std::map<authz::Pinhole, std::vector<authz::Holder>> waiting_;
    std::chrono::nanoseconds behind_{0}; // an element times out at most this much later than its grant in the book
    std::function<void(bool)> on_done_ = [](bool) {};
    Opening opening_ = [](nft::Transaction&, const authz::Pinhole&) {};
    std::function<void(const authz::Pinhole&)> opened_ = [](const authz::Pinhole&) {};
    std::set<authz::Pinhole> to_open_;                // requested since the last transaction
    std::map<wire::CredentialId, std::size_t> bound_; // credentials that have dates or hours, with their index
};

} // namespace xk
