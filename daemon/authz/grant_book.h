// SPDX-License-Identifier: MIT
//
// GrantBook: which pinholes are open, for whom and until when. Several credentials may hold a pinhole, and it stays
// open until the last of them is over. Pure bookkeeping: a change is first planned, then made in the kernel by the
// caller, then entered here, so that book and kernel never differ by a failure.
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
    bool single = false; // until the first connection, if that is earlier
    bool operator==(const Holder&) const = default;
};

// As many holders as an element's user data has room for. One more takes the place of the one whose time ends
// first; the pinhole stays open for the longest all the same.
inline constexpr std::size_t kMaxHolders = 8;

// The pinhole ends with its first connection: all who hold it want that.
inline bool is_for_one(const std::vector<Holder>& holders) {
    return std::all_of(holders.begin(), holders.end(), [](const Holder& h) { return h.single; });
}

void put_longest_first(std::vector<Holder>& holders);

// What one pinhole is to become. No holders: closed.
struct PinholeChange {
    Pinhole pinhole;
    std::vector<Holder> holders; // the one with the longest time first
    // Why those end whom it takes away, and where it is another reason for some of them, theirs.
    EndCause cause = EndCause::none;
    std::map<wire::CredentialId, EndCause> causes{};

    EndCause cause_for(const wire::CredentialId& credential) const;
    BootTime until() const { return holders.front().until; }
    bool single() const { return is_for_one(holders); }
};

// No credential holds more pinholes than this, whatever the configuration says.
inline constexpr std::size_t kMaxPinholesOfCredential = 64;

class GrantBook {
  public:
    // A knock that comes again extends and never shortens.
    PinholeChange plan_open(const Pinhole& pinhole, const Holder& holder) const;
    // Takes one holder away; nothing where it holds no such pinhole.
    std::vector<PinholeChange> plan_close(const Pinhole& pinhole, const wire::CredentialId& credential) const;
    std::vector<PinholeChange> plan_close_all(const wire::CredentialId& credential) const;
    // Whoever holds them: by the operator, or because of a ban.
    std::vector<PinholeChange> plan_close(const Prefix& prefix) const;
    // Takes away the holders who may not hold their pinhole any more, for this cause; `none`: they may.
    using Bars = std::function<EndCause(const Pinhole&, const Holder&)>;
    std::vector<PinholeChange> plan_keep(const Bars& bars) const;

    void enter(const std::vector<PinholeChange>& changes);

    // Forgets holders and pinholes whose time is over; the kernel has closed those pinholes by itself.
    void expire(BootTime now);

    // Who has ceased to hold what since this was last asked, in whatever way.
    struct Ended {
        Pinhole pinhole;
        wire::CredentialId credential;
        bool last; // nobody holds the pinhole any more
        EndCause cause = EndCause::none;
    };
    // Who has come to hold what, likewise. They may have ceased to since.
    struct Began {
        Pinhole pinhole;
        wire::CredentialId credential;
    };
    // Who held it and holds it longer now, likewise.
    using Prolonged = Began;
    std::vector<Began> take_began() { return std::exchange(began_, {}); }
    std::vector<Ended> take_ended() { return std::exchange(ended_, {}); }
    std::vector<Prolonged> take_prolonged() { return std::exchange(prolonged_, {}); }

    std::size_t pinholes() const { return grants_.size(); }
    std::size_t pinholes_of(const wire::CredentialId& credential) const {
        const auto held = held_.find(credential);
        return held == held_.end() ? 0 : held->second;
    }
    // Whether opening these too would be more than the host (`max_pinholes`) or the credential may have.
    bool would_exceed(const std::vector<Pinhole>& pinholes, const wire::CredentialId& credential,
                      std::size_t max_pinholes) const;
    const std::map<Pinhole, std::vector<Holder>>& all() const { return grants_; }

  private:
    void note_change(const PinholeChange& change, const std::vector<Holder>& before);

    std::map<Pinhole, std::vector<Holder>> grants_;
    // What a knock asks for must not take longer the more grants there are.
    std::set<std::pair<BootTime, Pinhole>> ends_;    // of each holder's time
    std::map<wire::CredentialId, std::size_t> held_; // pinholes of each
    std::vector<Ended> ended_;
    std::vector<Began> began_;
    std::vector<Prolonged> prolonged_;
};

// The privileged process's own judgement of a request for pinholes, by the configuration that it read itself: a worker
// that was taken over gets nothing that no user could have got.
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
        bool single;
    };
    Answer answer = Answer::refused;
    std::vector<One> pinholes; // on Answer::done: to open or to close

    std::vector<Pinhole> plain() const;
};

Permit permit_open(const GrantRequest& request, const Ceiling& ceiling, const Now& now);
// The same for the operator, who is none of the configuration's credentials. `request.credential` means nothing.
Permit permit_operator(const GrantRequest& request, const Ceiling& ceiling, const Now& now);

// Closing needs the right to the service and nothing else.
Permit permit_close(const GrantRequest& request, const Policy& policy);

} // namespace xk::authz
