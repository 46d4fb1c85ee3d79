// SPDX-License-Identifier: MIT
//
// The privileged process while it serves: it does for the worker what the worker may not do, tells the operator, keeps
// what must outlive it in the kernel, and gives up when the worker does (systemd starts both again; there is
// one way to recover, and it is used every time).
#pragma once

#include "daemon/bans/bans.h"
#include "daemon/config/config.h"
#include "daemon/config/machines.h"
#include "daemon/control/server.h"
#include "daemon/events/hook_calls.h"
#include "daemon/grants/grant_events.h"
#include "daemon/grants/grants.h"
#include "daemon/grants/lifetimes.h"
#include "daemon/grants/owners.h"
#include "daemon/grants/syn_drop.h"
#include "daemon/lifecycle/copy_writer.h"
#include "daemon/lifecycle/credential_status.h"
#include "daemon/lifecycle/generation.h"
#include "daemon/lifecycle/interfaces.h"
#include "daemon/lifecycle/panic.h"
#include "daemon/lifecycle/state_files.h"
#include "daemon/lifecycle/trial.h"
#include "daemon/lifecycle/worker_bans.h"
#include "daemon/lifecycle/worker_grants.h"
#include "daemon/loop.h"
#include "daemon/monitor/filter_tags.h"
#include "daemon/monitor/monitor.h"
#include "daemon/nft/transaction.h"
#include "daemon/nft/watch.h"
#include "daemon/privsep/spawn.h"
#include "daemon/xdp/filter.h"
#include "daemon/xdp/forwarding.h"
#include "daemon/xdp/links.h"
#include "daemon/xdp/maps.h"
#include "daemon/xdp/own_addresses.h"
#include "daemon/xdp/syn_guard.h"

#include <memory>
#include <optional>

namespace xk {

// What start-up made, in the order of its life.
struct Parts {
    std::shared_ptr<config::Config> config;
    StateFiles state_files;
    privsep::Child worker;
    std::optional<privsep::Child> hooks; // where some service has a hook
    nft::Socket nft;
    nft::Watch ruleset; // listens from before the ruleset stands
    std::unique_ptr<nft::Sessions> sessions;
    std::unique_ptr<nft::Sockets> sockets; // null: the kernel cannot list them
    xdp::OwnAddresses own_addresses;
    xdp::Forwarding forwarding;
    std::unique_ptr<xdp::Filter> filter;
    bool owned = false;            // the table belongs to our netlink socket
    std::string gate_begin;        // how judgement's memory began, for the log and for status
    bool links_were_there = false; // the filter of a daemon before us is attached
    Trial trial;
    Panic panic;
    bool dry_run = false;          // nothing changes on the network
    bool last_good_stands = false; // this start has put up the last good ruleset (last_good.h)
};

class VerbPorts;
namespace verbs {
class Verbs;
}

class Daemon : private MonitorOwner {
  public:
    explicit Daemon(Parts parts);
    ~Daemon() override;

    // Start-up's last steps: hand the worker its configuration, take over grants and bans, put up the ruleset, publish
    // tags, attach. What was new in the kernel is taken away again where a step fails.
    Result<void> begin();

    // Until SIGTERM or SIGINT, or an error.
    Result<void> run();

    // The filter as the configuration wants it; nothing is attached.
    static Result<std::unique_ptr<xdp::Filter>> load_filter(const config::Config& config, bool dry_run);

    // For the control socket (verb_ports.h).
    Result<void> reload();
    const config::Config& config() const { return *parts_.config; }
    std::shared_ptr<const config::Config> shared_config() const { return parts_.config; }
    const Records& find_records(); // of our configuration's credentials
    const authz::StateImage& state() const { return parts_.state_files.image(); }
    const Interfaces& interfaces() const { return interfaces_; }
    bool is_owned() const { return parts_.owned; }
    const std::string& gate_begin() const { return parts_.gate_begin; }
    std::set<Address> own_addresses() const;
    Grants& grants() { return grants_; }
    Bans& bans() { return bans_; }
    Lifetimes& lifetimes() { return lifetimes_; }
    // Everything is closed, and every session of a service ends, but for gate.allow's and the caller's; nobody is let
    // in until it is over (on_panic.cpp).
    struct PanicReport {
        std::size_t grants = 0, sessions = 0;
        bool outlives_us = true; // it is on the disk
    };
    Result<PanicReport> panic(const std::optional<TcpSession>& caller);
    Result<bool> end_panic(); // false: there was none
    // Knocks made up to now, and for the skew from now on, are refused: another host may have accepted them. It counts
    // when this returns.
    Result<void> take_over();
    config::Carrier carrier() const;
    const Panic& panic() const { return parts_.panic; }
    const HookCalls& hook_calls() const { return hook_calls_; }
    xdp::Filter& filter() { return *parts_.filter; }
    Monitor& monitor() { return monitor_; }
    std::size_t tag_count() const { return tags_.count(); }
    BootTime started() const { return started_; }
    bool is_dry_run() const { return parts_.dry_run; }
    const Trial& trial() const { return parts_.trial; }
    Result<void> put_on_trial(std::chrono::seconds time);
    Result<void> confirm();

  private:
    Result<void> put_up();
    void take_down();
    Result<void> look_after_old_sessions();
    // To be called after whatever may have changed the ruleset that a start which fails should put up.
    void keep_last_good();
    Result<void> install_ruleset(
        const config::Config& config, const std::function<void(nft::Transaction&)>& more = [](nft::Transaction&) {});
    Result<void> write_disabled();
    Result<void> write_forwarding();
    // After ruleset and filter are those of our configuration.
    void guard_syns();
    Result<void> look_for_copies();
    Result<std::size_t> carry_out_panic();
    Result<void> go_on_in_panic();
    void look_after_panic();
    void notify_status() const;

    void on_worker_end(Error error) override;
    void on_request_answered(const Now& now) override;

    // To be called after whatever may have opened or closed pinholes.
    void after_changes(const Now& now);

    void on_worker();
    void on_hooks();
    void on_signal();
    void on_addresses();
    void on_forwarding();
    void on_ruleset();
    void repair(const nft::Change& change);
    void on_links();
    void look_after_interfaces();
    void on_control();
    void on_settle();
    void on_tick();
    void save_state_lazily(const Now& now);
    void look_after_sessions(const Now& now);
    void notice_sleep(const Now& now);
    void notice_generation();
    // Whether ruleset, filter and grants are to outlive us.
    bool stays() const { return !parts_.dry_run && (!parts_.trial.is_on() || parts_.panic.is_on()); }
    Result<void> take_away();
    Result<void> end_of_trial();
    void fail(Error error);
    Result<void> watch_everything();
    void watch_client(int fd);

    Parts parts_;
    HookCalls hook_calls_;
    Grants grants_;
    WorkerBans worker_bans_;
    Bans bans_;
    xdp::SynGuard syn_guard_;
    SynDrop syn_drop_;
    Owners owners_;
    Lifetimes lifetimes_;
    FilterTags tags_;
    WorkerGrants worker_grants_;
    Monitor monitor_;
    GrantEvents grant_events_;
    std::optional<CopyWriter> copies_;
    std::unique_ptr<VerbPorts> verb_ports_;
    std::unique_ptr<verbs::Verbs> verbs_;
    std::optional<control::Server> control_;
    std::optional<Loop> loop_;
    Fd signals_;
    Fd ticks_;
    Interfaces interfaces_;
    std::optional<xdp::LinkWatch> links_;
    Records records_;
    BootTime started_;
    BootTime last_save_;
    std::uint64_t saved_slot_ = 0;
    Generation generation_of_machine_ = Generation::watch();
    std::optional<std::chrono::nanoseconds> slept_; // in this boot, when last asked
    bool resets_ = false;                           // see nft::can_reset()
    bool ruleset_unknown_ = false;                  // changes of it were lost
    bool unrepaired_ = false;                       // somebody changed the table, and to make it anew failed
    bool ruleset_was_there_ = false;
    std::optional<Error> failure_;
    std::uint64_t saved_digest_ = 0;
};

} // namespace xk
