// SPDX-License-Identifier: MIT
//
// GrantBook: the pinholes that are open, their holders, and until when. Several credentials may hold a pinhole. It
// stays open until the time of the last of them is over. Pure bookkeeping: a change is first planned, then made in the
// kernel by the caller, then entered here. So book and kernel do not differ where the kernel refuses.
#pragma once

#include "daemon/authz/bans.h"
#include "daemon/authz/event.h"
#include "daemon/authz/firewall.h"
#include "daemon/authz/pinhole.h"
#include "daemon/authz/policy.h"
#include "protocol/base/address.h"
#include "protocol/base/clock.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <utility>
#include <vector>

namespace xk::authz {

struct Holder {
    wire::CredentialId credential{};
    BootTime until{};
    bool single_use = false; // until the first connection, if that is earlier
    bool operator==(const Holder&) const = default;
};

// An element's user data has room for this many holders. A further one replaces the one whose time ends first; the
// pinhole still stays open for the longest time.
inline constexpr std::size_t kMaxHolders = 8;

// The pinhole ends with its first connection only where all holders want that.
inline bool is_single_use(const std::vector<Holder>& holders) {
    return std::all_of(holders.begin(), holders.end(), [](const Holder& h) { return h.single_use; });
}

void put_longest_first(std::vector<Holder>& holders);

// The state that one pinhole gets. No holders: it is closed.
struct PinholeChange {
    Pinhole pinhole;
    std::vector<Holder> holders; // the one with the longest time first
    // Why the removed holders end. `causes` has the holders with another cause.
    EndCause cause = EndCause::none;
    std::map<wire::CredentialId, EndCause> causes{};

    EndCause cause_for(const wire::CredentialId& credential) const;
    BootTime until() const { return holders.front().until; }
    bool single_use() const { return is_single_use(holders); }
};

// No credential holds more pinholes than this, whatever the configuration says.
inline constexpr std::size_t kMaxPinholesOfCredential = 64;

class GrantBook {
  public:
    // A second knock extends the time and never shortens it.
    PinholeChange plan_open(const Pinhole& pinhole, const Holder& holder) const;
    // Takes this holder away. Empty where it does not hold the pinhole.
    std::vector<PinholeChange> plan_close(const Pinhole& pinhole, const wire::CredentialId& credential) const;
    std::vector<PinholeChange> plan_close_all(const wire::CredentialId& credential) const;
    // Takes all holders away: the operator closes, or the prefix is banned.
    std::vector<PinholeChange> plan_close(const Prefix& prefix) const;
    // Takes away the holders who may not hold their pinhole any more, for the cause that `bars` returns; it returns
    // EndCause::none for those who may.
    using Bars = std::function<EndCause(const Pinhole&, const Holder&)>;
    std::vector<PinholeChange> plan_keep(const Bars& bars) const;

    void enter_changes(const std::vector<PinholeChange>& changes);

    // Forgets holders and pinholes whose time is over. The kernel has closed these pinholes by itself.
    void expire(BootTime now);

    // A holder that ended, in whatever way, since the last take_ended().
    struct Ended {
        Pinhole pinhole;
        wire::CredentialId credential;
        bool last; // nobody holds the pinhole any more
        EndCause cause = EndCause::none;
    };
    // A holder that began since the last take_began(). It may have ended since.
    struct Began {
        Pinhole pinhole;
        wire::CredentialId credential;
    };
    // A holder whose time became longer since the last take_prolonged().
    using Prolonged = Began;
    std::vector<Began> take_began() { return std::exchange(began_, {}); }
    std::vector<Ended> take_ended() { return std::exchange(ended_, {}); }
    std::vector<Prolonged> take_prolonged() { return std::exchange(prolonged_, {}); }

    std::size_t pinholes() const { return grants_.size(); }
    std::size_t pinholes_of(const wire::CredentialId& credential) const {
        const auto held = held_.find(credential);
        return held == held_.end() ? 0 : held->second;
    }
    // Whether these and the open pinholes are more than the host (`max_pinholes`) or the credential may have.
    bool would_exceed(const std::vector<Pinhole>& pinholes, const wire::CredentialId& credential,
                      std::size_t max_pinholes) const;
    const std::map<Pinhole, std::vector<Holder>>& all() const { return grants_; }

  private:
    void record_change(const PinholeChange& change, const std::vector<Holder>& before);

    std::map<Pinhole, std::vector<Holder>> grants_;
    // Indexes, so that the work for one knock does not grow with the number of grants.
    std::set<std::pair<BootTime, Pinhole>> ends_;    // the end of each holder
    std::map<wire::CredentialId, std::size_t> held_; // number of pinholes of each
    std::vector<Ended> ended_;
    std::vector<Began> began_;
    std::vector<Prolonged> prolonged_;
};

// The privileged process judges each request for pinholes again, by the configuration that it read itself. So a worker
// under an attacker's control gets only what some user could have got.
struct Ceiling {
    const Policy& policy;
    const GrantBook& book;
    const BanList& bans;
    const std::set<Address>& own_addresses;
    std::size_t max_pinholes; // of all credentials together
};

struct Permit {
    struct One {
        Pinhole pinhole;
        std::size_t service; // index into Policy::services
        std::chrono::seconds lifetime;
        bool single_use;
    };
    Answer answer = Answer::refused;
    std::vector<One> pinholes; // on Answer::done: to open or to close

    std::vector<Pinhole> plain() const;
};

Permit permit_open(const GrantRequest& request, const Ceiling& ceiling, const Now& now);
// The same for the operator, who has no credential in the configuration. `request.credential` is ignored.
Permit permit_operator(const GrantRequest& request, const Ceiling& ceiling, const Now& now);

// To close, a credential needs the right to the service and nothing else.
Permit permit_close(const GrantRequest& request, const Policy& policy);

} // namespace xk::authz
