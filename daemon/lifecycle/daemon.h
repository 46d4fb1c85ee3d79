// SPDX-License-Identifier: MIT
//
// The privileged process while it serves: it does for the worker what the worker may not do, tells the operator, keeps
// what must outlive it in the kernel, and gives up when the worker does (systemd starts both again; there is
// one way to recover, and it is used every time).
#pragma once

#include "daemon/authz/log_budget.h"
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
#include "daemon/loop.h"
#include "daemon/nft/transaction.h"
#include "daemon/nft/watch.h"
#include "daemon/privsep/budget.h"
#include "daemon/privsep/messages.h"
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

// The worker's fault; the daemon ends with it.
Error worker_error(const std::string& what);

class Daemon {
  public:
    explicit Daemon(Parts parts);
    ~Daemon();

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
    const privsep::Channel& worker() const { return parts_.worker.channel; }
    pid_t worker_pid() const { return parts_.worker.pid; }
    std::size_t tag_count() const { return tags_.count(); }
    bool clock_is_wrong() const { return clock_is_wrong_; }
    BootTime started() const { return started_; }
    bool is_dry_run() const { return parts_.dry_run; }
    const Trial& trial() const { return parts_.trial; }
    Result<void> put_on_trial(std::chrono::seconds time);
    Result<void> confirm();

  private:
    Result<void> put_up();
    void take_down();
    Result<void> look_after_old_sessions();
    // Credentials whose secrets cannot be used, in order.
    struct BadSecrets {
        std::uint32_t credential;
        Error error;
    };
    // Hands the worker a configuration, which counts with Activate{}. Its other messages are answered meanwhile.
    Result<std::vector<BadSecrets>> hand_over(const config::Config& config);
    // The same without those credentials: they are taken out of `config`. `now`: on a reload, what counts until then.
    Result<void> hand_over_good(config::Config& config, const config::Config* now);
    Result<privsep::SecretsRead> hand_over_secrets(const config::Config& config, std::uint32_t first,
                                                   std::vector<BadSecrets>& bad);
    Result<privsep::SecretsRead> wait_for_secrets_read(std::uint32_t next);
    // To be called after whatever may have changed the ruleset that a start which fails should put up.
    void keep_last_good();
    Result<void> install_ruleset(
        const config::Config& config, const std::function<void(nft::Transaction&)>& more = [](nft::Transaction&) {});
    Result<void> write_disabled(const config::Config& config);
    Result<void> write_forwarding();
    // After ruleset and filter are those of our configuration.
    void guard_syns();
    Result<void> tell_panic();
    Result<void> look_for_copies();
    Result<std::size_t> carry_out_panic();
    Result<void> go_on_in_panic();
    void look_after_panic();
    void notify_status() const;

    // Handles what the worker says until a message of this type came.
    Result<privsep::Received> wait_for(privsep::Type type);
    Result<void> handle(const privsep::Received& received);
    Result<void> handle_tags(const privsep::Tags& message);
    Result<void> handle_request_grant(const privsep::RequestGrant& message);
    Result<void> handle_notice(const privsep::Notice& message);

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
    void settle_later(std::uint32_t sequence);
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
    xdp::Tags tags_;
    GrantEvents grant_events_;
    std::optional<CopyWriter> copies_;
    std::unique_ptr<VerbPorts> verb_ports_;
    std::unique_ptr<verbs::Verbs> verbs_;
    std::optional<control::Server> control_;
    std::optional<Loop> loop_;
    Fd signals_;
    Fd ticks_;
    Fd settle_;                         // rings when the pinholes that wait are due
    std::vector<std::uint32_t> undone_; // questions of the worker whose pinholes wait
    Interfaces interfaces_;
    std::optional<xdp::LinkWatch> links_;
    Records records_;
    authz::LogBudget grant_log_{600, std::chrono::seconds(0)};
    authz::LogBudget refusal_log_;
    BootTime started_;
    BootTime last_save_;
    std::uint64_t saved_slot_ = 0;
    std::uint32_t ping_ = 0, pong_ = 0; // the last ones
    // What an honest worker never gets to. It asks once for a knock, which takes more than ten microseconds to judge; a
    // notice is a credential that was locked for good, or the clock; and all else is tags, of which it sends all (1,000
    // messages at most) for a new configuration, or when the clock was set.
    privsep::Budget asks_{200'000, 100'000};
    privsep::Budget notices_{authz::kMaxCredentials, 1};
    privsep::Budget others_{16'000, 1'000};
    Generation generation_of_machine_ = Generation::watch();
    std::optional<std::chrono::nanoseconds> slept_; // in this boot, when last asked
    bool resets_ = false;                           // see nft::can_reset()
    bool ruleset_unknown_ = false;                  // changes of it were lost
    bool unrepaired_ = false;                       // somebody changed the table, and to make it anew failed
    bool ruleset_was_there_ = false;
    bool replacing_tags_ = false, first_tags_ = false;
    std::uint32_t generation_ = 0;  // of the configuration that counts
    std::uint32_t handed_over_ = 0; // the last generation that was handed over, whether it counts or not
    bool worker_follows_ = false;   // it said something by that one: from then on it judges by no other
    bool clock_is_wrong_ = false;
    std::optional<Error> failure_;
    std::uint64_t saved_digest_ = 0;
};

} // namespace xk
