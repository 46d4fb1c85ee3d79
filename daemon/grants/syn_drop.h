// SPDX-License-Identifier: MIT
//
// SynDrop decides when the filter may drop SYNs of sources without a grant (xdp.drop_syn). The filter
// (daemon/xdp/source_guard.h) must never be stricter than the rules of nftables. Grants admits each source before it
// writes the source's grant. SynDrop tells the filter the rest: the configuration, this host's addresses, and the end
// of grants.
#pragma once

#include "daemon/config/config.h"
#include "daemon/grants/grant_events.h"
#include "daemon/grants/grants.h"
#include "daemon/xdp/source_guard.h"

#include <set>

namespace xk {

// Whether SYNs without a grant may be dropped at all. They may not be dropped where the administrator's own rules
// decide.
bool may_drop_syns(const config::Config& config);

class SynDrop : public PinholeListener {
  public:
    // `guard` must outlive this object.
    SynDrop(xdp::SourceGuard& guard, Grants& grants);

    // To be called before the rules change.
    void switch_off() { guard_.switch_off(); }
    // To be called when the rules are those of this configuration. Does nothing where it wants no SYNs dropped.
    void switch_on(const config::Config& config, const std::set<Address>& own_addresses, BootTime now);

    void on_addresses(const std::set<Address>& own_addresses) { guard_.set_local(own_addresses); }
    void on_pinhole_ended(const authz::GrantBook::Ended& ended) override { ended_.insert(ended.pinhole.address); }
    void on_tick(BootTime now);

  private:
    xdp::SourceGuard& guard_;
    Grants& grants_;
    std::set<Address> ended_; // sources that lost a grant since the last tick
};

} // namespace xk
