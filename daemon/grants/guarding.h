// SPDX-License-Identifier: MIT
//
// Guarding: keeps the filter's guard of SYNs (daemon/xdp/syn_guard.h) the same as, or laxer than, the rules. Grants are
// told to it by Grants before they are written; here is the rest: the configuration, this host's addresses, and grants
// that ended.
#pragma once

#include "daemon/config/config.h"
#include "daemon/grants/grant_events.h"
#include "daemon/grants/grants.h"
#include "daemon/xdp/syn_guard.h"

#include <set>

namespace xk {

// Whether SYNs without a grant may be dropped at all: not where the administrator's own rules decide.
bool guards_syn(const config::Config& config);

class Guarding : public GrantListener {
  public:
    Guarding(xdp::Filter& filter, Grants& pinholes);

    // At start, before anything is changed: off, and whoever a daemon before us knew is known.
    Result<void> begin(BootTime now) { return guard_.begin(now); }
    // Before the rules change.
    void off() { guard_.switch_off(); }
    // After the rules are those of this configuration, if it wants the guard.
    void on(const config::Config& config, const std::set<Address>& own_addresses, BootTime now);
    // Another program counts from now on.
    void use(xdp::Filter& filter);

    void on_addresses(const std::set<Address>& own_addresses) { guard_.set_local(own_addresses); }
    void pinhole_ended(const authz::GrantBook::Ended& ended) override { ended_.insert(ended.pinhole.address); }
    void tick(BootTime now);

  private:
    xdp::SynGuard guard_;
    Grants& grants_;
    std::set<Address> ended_; // a grant of theirs did, since the last tick
};

} // namespace xk
