// SPDX-License-Identifier: MIT
//
// VerbPorts connects the verbs of the control socket with the parts of the daemon, and decides nothing. Each group of
// verbs sees only the parts that it needs.
#pragma once

#include "daemon/events/hook_calls.h"
#include "daemon/lifecycle/credential_status.h"
#include "daemon/lifecycle/filter_slot.h"
#include "daemon/lifecycle/interfaces_control.h"
#include "daemon/lifecycle/panic_control.h"
#include "daemon/lifecycle/state_files.h"
#include "daemon/lifecycle/tables.h"
#include "daemon/lifecycle/take_over.h"
#include "daemon/lifecycle/trial_control.h"
#include "daemon/monitor/filter_tags.h"
#include "daemon/monitor/monitor.h"
#include "daemon/verbs/all.h"

namespace xk {

// For "status", "stats", "users" and "unlock", and the configuration for all verbs.
class StatusPorts : public verbs::ConfigSource,
                    public verbs::CredentialStates,
                    public verbs::StatusSource,
                    public verbs::CounterSource,
                    public verbs::EventSource,
                    public verbs::Unlocker {
  public:
    struct Facts { // they never change
        BootTime started{};
        std::string memory; // where judgement's memory came from at the start
        bool owned = false; // the table belongs to our netlink socket
        bool dry_run = false;
    };
    struct World {
        const CurrentConfig& config;
        Records& records; // of the configuration that counts
        const StateFiles& state;
        Monitor& monitor;
        const FilterSlot& filter;
        const InterfacesControl& interfaces;
        const FilterTags& tags;
        const Grants& grants;
        const Bans& bans;
        const HookCalls& hooks;
        const events::EventCounters& event_counters;
        const events::Events& events;
        const events::RecentEvents& recent_events;
        const Trial& trial;
        const Panic& panic;
        Facts facts;
    };
    explicit StatusPorts(World world) : w_(std::move(world)) {}

    std::shared_ptr<const config::Config> config() const override { return w_.config.share(); }
    ByIndex find_states(std::shared_ptr<const config::Config> config) override;
    verbs::DaemonStatus read_status(const Now& now) override;
    Result<Counters> read_filter_counters() override;
    authz::StateHeader read_judgement_counters() const override { return w_.state.image().header; }
    const events::EventCounters& event_counters() const override { return w_.event_counters; }
    const events::Events& events() const override { return w_.events; }
    const events::RecentEvents& recent_events() const override { return w_.recent_events; }
    Result<void> unlock_credential(std::size_t credential) override;

  private:
    World w_;
};

// For "grants", "open" and "close".
class GrantPorts : public verbs::GrantSource, public verbs::GrantOpener, public verbs::GrantCloser {
  public:
    explicit GrantPorts(Tables tables) : t_(tables) {}

    bool is_dry_run() const override { return t_.dry_run; }
    std::optional<verbs::GrantRow> find_next_grant(const std::optional<authz::Pinhole>& last, const Now& now) override;
    Opened open_for_operator(const authz::GrantRequest& request, const Now& now) override;
    Result<std::size_t> close_grants(const Prefix& prefix, const Now& now) override;
    Result<std::size_t> close_grants(const Credentials& credentials, const Now& now) override;
    Result<Sessions> end_sessions(const Prefix& prefix, const std::optional<TcpSession>& spared) override;
    Result<Sessions> end_sessions(const Credentials& credentials, const std::optional<TcpSession>& spared) override;

  private:
    Tables t_;
};

// For "bans", "ban" and "unban".
class BanPorts : public verbs::BanSource, public verbs::Banner {
  public:
    explicit BanPorts(Tables tables) : t_(tables) {}

    bool is_dry_run() const override { return t_.dry_run; }
    void expire_bans(const Now& now) override { t_.bans.expire(now); }
    const authz::BanBook& ban_book() const override { return t_.bans.book(); }
    std::string owner_of(const std::string& reason) const override { return Bans::owner_of(reason); }
    Result<Banned> ban_prefixes(const Order& order, const Now& now) override;
    Result<std::size_t> unban_prefixes(const std::vector<Prefix>& prefixes, const std::optional<std::string>& owner,
                                       const Now& now) override;
    Result<std::size_t> unban_all(Family family, const std::optional<std::string>& owner, const Now& now) override;
    Result<void> end_banned_sessions(const Now& now) override;

  private:
    Tables t_;
};

// For "reload", "panic", "try", "confirm", "clock-accept" and "takeover".
class ControlPorts : public verbs::Reloader,
                     public verbs::PanicControl,
                     public verbs::TrialControl,
                     public verbs::HorizonControl {
  public:
    struct World {
        std::function<Result<void>()> reload;
        std::function<Result<void>(const std::set<std::string>& users)> reload_users;
        const InterfacesControl& interfaces;
        xk::PanicControl& panic;
        xk::TrialControl& trial;
        TakeOver& take_over;
        Monitor& monitor;
    };
    explicit ControlPorts(World world) : w_(std::move(world)) {}

    Result<void> reload_config() override { return w_.reload(); }
    Result<void> reload_users(const std::set<std::string>& users) override { return w_.reload_users(users); }
    std::vector<std::string> interface_warnings() const override { return w_.interfaces.all().warnings(); }
    Result<Closed> begin_panic(const std::optional<TcpSession>& spared) override;
    Result<bool> end_panic() override { return w_.panic.end(Now::read()); }
    Result<void> begin_trial(std::chrono::seconds time) override { return w_.trial.begin_trial(time, Now::read()); }
    Result<void> confirm_trial() override { return w_.trial.confirm(Now::read()); }
    Result<void> accept_clock() override { return w_.monitor.accept_clock(); }
    Result<void> raise_horizon() override { return w_.take_over.raise("by the operator", Now::read()); }

  private:
    World w_;
};

class VerbPorts final : public StatusPorts, public GrantPorts, public BanPorts, public ControlPorts {
  public:
    VerbPorts(StatusPorts::World status, Tables tables, ControlPorts::World control)
        : StatusPorts(std::move(status)), GrantPorts(tables), BanPorts(tables), ControlPorts(std::move(control)) {}
};

} // namespace xk
