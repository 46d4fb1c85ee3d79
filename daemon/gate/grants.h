// SPDX-License-Identifier: MIT
//
// GrantBook: which doors are open, for whom and until when. Several credentials may hold a door, and it stays open until
// the last of them is over. Pure bookkeeping: a change is first planned, then made in the kernel by the caller, then
// entered here, so that book and kernel never differ by a failure.
#pragma once

#include "daemon/gate/bans.h"
#include "daemon/gate/door.h"
#include "daemon/gate/firewall.h"
#include "daemon/gate/policy.h"
#include "protocol/base/address.h"
#include "protocol/base/clock.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <utility>
#include <vector>

namespace xk::gate {

struct Holder {
    wire::CredentialId credential{};
    BootTime until{};
    bool single = false; // until the first connection, if that is earlier
    bool operator==(const Holder&) const = default;
};

// As many holders as an element's user data has room for. One more takes the place of the one whose time ends
// first; the door stays open for the longest all the same.
inline constexpr std::size_t kMaxHolders = 8;

// The door ends with its first connection: all who hold it want that.
inline bool is_for_one(const std::vector<Holder>& holders) {
    return std::all_of(holders.begin(), holders.end(), [](const Holder& h) { return h.single; });
}

void put_longest_first(std::vector<Holder>& holders);

// What one door is to become. No holders: closed.
struct DoorChange {
    Door door;
    std::vector<Holder> holders; // the one with the longest time first

    BootTime until() const { return holders.front().until; }
    bool single() const { return is_for_one(holders); }
};

// No credential holds more doors than this, whatever the configuration says.
inline constexpr std::size_t kMaxDoorsOfCredential = 64;

class GrantBook {
  public:
    // A knock that comes again extends and never shortens.
    DoorChange plan_open(const Door& door, const Holder& holder) const;
    // Takes one holder away; nothing where it holds no such door.
    std::vector<DoorChange> plan_close(const Door& door, const wire::CredentialId& credential) const;
    std::vector<DoorChange> plan_close_all(const wire::CredentialId& credential) const;
    // Whoever holds them: by the operator, or because of a ban.
    std::vector<DoorChange> plan_close(const Prefix& prefix) const;
    // Takes away the holders who may not hold their door any more.
    using Bars = std::function<bool(const Door&, const Holder&)>;
    std::vector<DoorChange> plan_keep(const Bars& bars) const;

    void enter(const std::vector<DoorChange>& changes);

    // Forgets holders and doors whose time is over; the kernel has closed those doors by itself.
    void expire(BootTime now);

    // Who has ceased to hold what since this was last asked, in whatever way.
    struct Ended {
        Door door;
        wire::CredentialId credential;
        bool last; // nobody holds the door any more
    };
    // Who has come to hold what, likewise; not who holds it longer. He may have ceased to since.
    struct Began {
        Door door;
        wire::CredentialId credential;
    };
    std::vector<Began> take_began() { return std::exchange(began_, {}); }
    std::vector<Ended> take_ended() { return std::exchange(ended_, {}); }

    std::size_t doors() const { return doors_.size(); }
    std::size_t doors_of(const wire::CredentialId& credential) const {
        const auto held = held_.find(credential);
        return held == held_.end() ? 0 : held->second;
    }
    // Whether opening these too would be more than the host (`max_doors`) or the credential may have.
    bool would_exceed(const std::vector<Door>& doors, const wire::CredentialId& credential,
                      std::size_t max_doors) const;
    const std::map<Door, std::vector<Holder>>& all() const { return doors_; }

  private:
    void note_change(const Door& door, const std::vector<Holder>& before, const std::vector<Holder>& after);

    std::map<Door, std::vector<Holder>> doors_;
    // What a knock asks for must not take longer the more grants there are.
    std::set<std::pair<BootTime, Door>> ends_;      // of each holder's time
    std::map<wire::CredentialId, std::size_t> held_; // doors of each
    std::vector<Ended> ended_;
    std::vector<Began> began_;
};

// The privileged process's own judgement of a request for doors, by the configuration that it read itself: a worker
// that was taken over gets nothing that no user could have got.
struct Ceiling {
    const Policy& policy;
    const GrantBook& book;
    const BanList& bans;
    const std::set<Address>& own_addresses;
    std::size_t max_doors; // of all credentials together
};

struct Permit {
    struct One {
        Door door;
        std::size_t service; // index into Policy::services
        std::chrono::seconds lifetime;
        bool single;
    };
    Answer answer = Answer::refused;
    std::vector<One> doors; // on Answer::done: to open or to close

    std::vector<Door> plain() const;
};

Permit permit_open(const DoorRequest& request, const Ceiling& ceiling, const Now& now);
// The same for the operator, who is none of the configuration's credentials. `request.credential` means nothing.
Permit permit_operator(const DoorRequest& request, const Ceiling& ceiling, const Now& now);

// Closing needs the right to the service and nothing else.
Permit permit_close(const DoorRequest& request, const Policy& policy);

} // namespace xk::gate
