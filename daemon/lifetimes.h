// SPDX-License-Identifier: MIT
//
// Lifetimes: what becomes of sessions and grants by the rules of their services. Grants of "after: idle" are prolonged
// while a session lives; sessions of "after: cut" end when their grant does; those of a banned address and of a panic end
// at once. A grant for one connection is forgotten when the kernel has used it.
#pragma once

#include "daemon/config/config.h"
#include "daemon/doors.h"
#include "daemon/gate/bans.h"
#include "daemon/grant_events.h"
#include "daemon/nft/sessions.h"

#include <set>

namespace xk {

class Lifetimes : public GrantListener {
  public:
    Lifetimes(nft::Sessions sessions, Doors& doors) : sessions_(std::move(sessions)), doors_(doors) {}

    void door_ended(const gate::GrantBook::Ended& ended) override;
    // Something was banned: what it has goes on the next tick.
    void on_ban() { cut_banned_ = true; }

    // What is due. Also right after the start: sessions whose grant ended while nobody was there.
    Result<void> tick(const config::Config& config, const gate::BanList& bans, const std::set<Address>& own,
                      const Now& now);

    // Ends all sessions of all services but those of gate.allow. How many they were.
    Result<std::size_t> end_all(const config::Config& config, const std::set<Address>& own);

    // Forgets the grants for one connection that have one: before all grants are written anew.
    Result<void> forget_used(const std::set<Address>& own);

  private:
    Result<void> end_orphans(const config::Config& config, const gate::BanList& bans, const std::set<Address>& own,
                             const Now& now);
    // The door that a session came by, or would have.
    std::optional<gate::Door> door_of(const nft::Session& session, const std::set<Address>& own) const;
    Result<void> prolong_idle(const std::set<Address>& own, const Now& now);

    nft::Sessions sessions_;
    Doors& doors_;
    bool cut_ = true; // a door of "after: cut" has ended
    bool cut_banned_ = false;
    BootTime last_look_{};
};

} // namespace xk
