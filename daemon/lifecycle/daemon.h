// SPDX-License-Identifier: MIT
//
// Daemon: the privileged process while it serves. It acts for the worker, which has no privileges, and informs the
// operator. All state that must outlive it is in the kernel or in a file. It ends when the worker ends, and systemd
// starts both again, so recovery after a crash is the same as every start.
//
// This is wiring: wiring.cpp joins the parts, and the loop calls them. No part takes a Daemon; each one sees the others
// through the small interfaces that it needs.
#pragma once

#include "daemon/bans/bans.h"
#include "daemon/config/config.h"
#include "daemon/control/server.h"
#include "daemon/events/counters.h"
#include "daemon/events/events.h"
#include "daemon/events/hook_calls.h"
#include "daemon/events/log_sink.h"
#include "daemon/events/recent.h"
#include "daemon/grants/grant_events.h"
#include "daemon/grants/grants.h"
#include "daemon/grants/lifetimes.h"
#include "daemon/grants/owners.h"
#include "daemon/grants/syn_drop.h"
#include "daemon/lifecycle/copy_writer.h"
#include "daemon/lifecycle/credential_status.h"
#include "daemon/lifecycle/filter_slot.h"
#include "daemon/lifecycle/generation.h"
#include "daemon/lifecycle/interfaces_control.h"
#include "daemon/lifecycle/last_good_keeper.h"
#include "daemon/lifecycle/lasting_error.h"
#include "daemon/lifecycle/nft_ruleset.h"
#include "daemon/lifecycle/panic_control.h"
#include "daemon/lifecycle/reload.h"
#include "daemon/lifecycle/repair.h"
#include "daemon/lifecycle/sleep_watch.h"
#include "daemon/lifecycle/state_copy.h"
#include "daemon/lifecycle/state_files.h"
#include "daemon/lifecycle/tables.h"
#include "daemon/lifecycle/take_over.h"
#include "daemon/lifecycle/teardown.h"
#include "daemon/lifecycle/tick.h"
#include "daemon/lifecycle/trial_control.h"
#include "daemon/lifecycle/worker_bans.h"
#include "daemon/lifecycle/worker_grants.h"
#include "daemon/lifecycle/worker_link.h"
#include "daemon/loop.h"
#include "daemon/monitor/filter_answers.h"
#include "daemon/monitor/filter_tags.h"
#include "daemon/monitor/monitor.h"
#include "daemon/nft/transaction.h"
#include "daemon/nft/watch.h"
#include "daemon/privsep/spawn.h"
#include "daemon/xdp/filter.h"
#include "daemon/xdp/forwarding.h"
#include "daemon/xdp/links.h"
#include "daemon/xdp/own_addresses.h"
#include "daemon/xdp/syn_guard.h"

#include <memory>
#include <optional>

namespace xk {

// The parts that start-up has made.
struct Parts {
    std::shared_ptr<config::Config> config; // null from begin() on
    StateFiles state_files;
    privsep::Child worker;
    std::optional<privsep::Child> hooks; // none where no service has a hook
    nft::Socket nft;
    nft::Watch ruleset; // listens from before the ruleset stands
    std::unique_ptr<nft::Sessions> sessions;
    std::unique_ptr<nft::Sockets> sockets; // null: the kernel cannot list them
    xdp::OwnAddresses own_addresses;
    xdp::Forwarding forwarding;
    std::unique_ptr<xdp::Filter> filter;
    bool owned = false;            // the table belongs to our netlink socket
    std::string gate_begin;        // where judgement's memory comes from, for the log and for status
    bool links_were_there = false; // the filter of an earlier daemon is attached
    Trial trial;
    Panic panic;
    bool dry_run = false;          // nothing changes on the network
    bool last_good_stands = false; // this start has put up the last good ruleset (last_good.h)
};

class VerbPorts;
namespace verbs {
class Verbs;
}

class Daemon : private MonitorOwner, private Upkeep, private RestorePort, private TeardownPort {
  public:
    explicit Daemon(Parts parts);
    ~Daemon() override;

    // The last steps of start-up, in the order of start.cpp. An error leaves nothing of this start in the kernel.
    Result<void> begin();

    // Returns after SIGTERM or SIGINT, at a trial's end, and with the error that ended the loop.
    Result<void> run();

    const config::Config& config() const { return *current_; }

  private:
    // wiring.cpp: the parts, and the interfaces through which each one sees the others
    FilterSlot::Host filter_host();
    Bans::Parts ban_parts();
    Monitor::World monitor_world();
    InterfacesControl::Links links();
    Tables tables();
    PanicControl::World panic_world();
    TrialControl::World trial_world();
    Reload::World reload_world();
    std::unique_ptr<VerbPorts> make_verb_ports();
    std::vector<Reload::Follower> followers();
    Result<void> prepare_requests();
    Result<void> drop_capabilities();
    Result<void> check_hooks(const config::Config& next) const;
    Result<void> end_disowned(const config::Config& config, const Now& now);
    void bind_filter(xdp::Filter& filter);

    // serve.cpp
    Result<void> reload();
    Result<void> reload_users(const std::set<std::string>& users);
    Result<void> renew_last_good(const config::Config& config);
    void keep_last_good();
    void notify_status() const;
    void announce_ready();
    void settle_grants() override;
    void switch_syn_guard_off() override;
    bool gate_stays() const override;
    Result<void> take_away() override;
    void stop_hooks() override;
    void end_worker() override;
    Result<void> save_copy() override;
    Result<void> save_owners() override;
    Result<void> finish_trial() override;

    // daemon.cpp
    Result<void> watch_everything();
    Result<void> open_control();
    Result<void> open_timers();
    void watch_client(int fd);
    void fail(Error error);
    void on_worker_end(Error error) override;
    void on_request_answered(const Now& now) override;
    // Reports the grants that began or ended. Every caller that may have changed grants calls it afterwards.
    void after_changes(const Now& now);
    void on_worker();
    void on_hooks();
    void on_signal();
    void on_control();
    void on_settle();
    void on_tick();

    // upkeep.cpp
    void on_addresses();
    void on_forwarding();
    void on_ruleset();
    void on_links();
    void on_sleep(const Now& now);
    Result<void> restore_grants(const Now& now) override;
    Result<void> restore_bans(const Now& now) override;
    bool is_over(const Now& now) override;
    void notice_sleep(const Now& now) override;
    void notice_generation(const Now& now) override;
    void retry_reload() override;
    void end_grants(const Now& now) override;
    void report_changes(const Now& now) override;
    void limit_syn_guard(const Now& now) override;
    void check_sessions(const Now& now) override;
    void carry_out_panic(const Now& now) override;
    void end_bans(const Now& now) override;
    void supervise_hooks(const Now& now) override;
    void expire_tags(const Now& now) override;
    void repair_ruleset(const Now& now) override;
    void keep_interfaces_attached(const Now& now) override;
    void admit_clients(const Now& now) override;
    void save_state(const Now& now) override;

    // Followers of reload_ that are also told outside of a reload.
    static constexpr const char *kFilterMaps = "the filter's maps", *kLastGood = "the last good ruleset";

    const authz::StateImage& state() const { return parts_.state_files.image(); }
    const std::set<Address>& own_addresses() const { return tables_.addresses(); }

    Parts parts_;
    events::LogSink log_sink_;
    events::EventCounters event_counters_;
    events::RecentEvents recent_events_;
    events::Events events_;
    CurrentConfig current_;
    HookCalls hook_calls_;
    FilterSlot filter_slot_;
    NftRuleset ruleset_;
    Grants grants_;
    WorkerBans worker_bans_;
    Bans bans_;
    xdp::SynGuard syn_guard_;
    SynDrop syn_drop_;
    Owners owners_;
    Lifetimes lifetimes_;
    FilterTags tags_;
    FilterSteps steps_;
    FilterAnswers answers_;
    WorkerGrants worker_grants_;
    Monitor monitor_;
    GrantEvents grant_events_;
    WorkerLink worker_link_;
    InterfacesControl interfaces_;
    SynGuardSwitch guard_;
    Tables tables_;
    Adoption adoption_;
    Closing closing_;
    Contents contents_;
    LastGoodKeeper last_good_;
    PanicControl panic_control_;
    TrialControl trial_control_;
    TakeOver take_over_;
    Repair repair_;
    Reload reload_;
    StateCopy state_copy_;
    SleepWatch sleep_watch_;
    Records records_;
    BootTime started_;
    std::unique_ptr<VerbPorts> verb_ports_;
    std::unique_ptr<verbs::Verbs> verbs_;
    std::optional<CopyWriter> copies_;
    std::optional<control::Server> control_;
    std::optional<Loop> loop_;
    std::optional<xdp::LinkWatch> links_;
    Fd signals_;
    Fd ticks_;
    Generation generation_of_machine_ = Generation::watch();
    bool ruleset_was_there_ = false; // a ruleset stood before this start, perhaps with grants and their sessions
    LastingError barred_error_, sessions_error_, control_error_;
    std::optional<Error> failure_;
};

} // namespace xk
