// SPDX-License-Identifier: MIT
//
// The tables of grants, bans and sessions as start, panic and repair see them (ports.h, repair.h).
#pragma once

#include "daemon/bans/bans.h"
#include "daemon/grants/grant_events.h"
#include "daemon/grants/grants.h"
#include "daemon/grants/lifetimes.h"
#include "daemon/grants/owners.h"
#include "daemon/grants/syn_drop.h"
#include "daemon/lifecycle/filter_slot.h"
#include "daemon/lifecycle/nft_ruleset.h"
#include "daemon/lifecycle/repair.h"
#include "daemon/lifecycle/state_files.h"
#include "daemon/xdp/syn_guard.h"

namespace xk {

struct Tables {
    Grants& grants;
    GrantEvents& grant_events;
    Bans& bans;
    Owners& owners;
    Lifetimes& lifetimes;
    CurrentConfig& config;
    const xdp::OwnAddresses& own_addresses;
    bool dry_run = false;

    const std::set<Address>& addresses() const { return addresses_of(*config, own_addresses); }
};

// SynGuard as start and reload see it. A dry run drops nothing.
class SynGuardSwitch : public SynGuardPort {
  public:
    SynGuardSwitch(xdp::SynGuard& guard, SynDrop& drop, const xdp::OwnAddresses& own, bool dry_run)
        : guard_(guard), drop_(drop), own_(own), dry_run_(dry_run) {}
    Result<void> begin(const Now& now) override { return guard_.take_over(now.boot); }
    void off() override { drop_.switch_off(); }
    void on(const config::Config& config) override {
        if (!dry_run_)
            drop_.switch_on(config, own_.all(), BootClock::now());
    }

  private:
    xdp::SynGuard& guard_;
    SynDrop& drop_;
    const xdp::OwnAddresses& own_;
    bool dry_run_;
};

class Adoption : public AdoptionPort {
  public:
    Adoption(Tables tables, StateFiles& files) : t_(tables), files_(files) {}

    Result<void> revoke_copy(const Now& now) override;
    Result<void> adopt_tables(const Now& now) override;
    Result<void> adopt_sessions(bool ruleset_was_there) override;
    Result<void> install_bans(const Now& now) override;

  private:
    Result<void> adopt_bans(const Now& now);

    Tables t_;
    StateFiles& files_;
};

class Closing : public ClosingPort {
  public:
    explicit Closing(Tables tables) : t_(tables) {}

    std::size_t count_grants() const override { return t_.grants.book().pinholes(); }
    Result<void> close_grants(const Now& now) override;
    Result<void> close_users(const Now& now) override;
    Result<std::size_t> end_sessions(const std::optional<TcpSession>& spared, const Now& now) override;

  private:
    Tables t_;
};

class Contents : public ContentsPort {
  public:
    Contents(Tables tables, NftRuleset& ruleset) : t_(tables), ruleset_(ruleset) {}

    Result<void> forget_missing() override;
    Result<void> forget_used() override { return t_.lifetimes.forget_used(t_.addresses()); }
    Result<void> install_whole(const config::Config& config, const Now& now) override;
    Result<void> expel_strangers() override { return t_.grants.expel_strangers(); }
    std::size_t count_grants() const override { return t_.grants.book().pinholes(); }
    std::size_t count_bans() const override { return t_.bans.list().all().size(); }

  private:
    Tables t_;
    NftRuleset& ruleset_;
};

} // namespace xk
