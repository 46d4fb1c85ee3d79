// SPDX-License-Identifier: MIT
// How the parts of the privileged process are joined.
#include "daemon/lifecycle/daemon.h"

#include "daemon/lifecycle/removal.h"
#include "daemon/lifecycle/start.h"
#include "daemon/lifecycle/verb_ports.h"
#include "daemon/log.h"
#include "daemon/verbs/verbs.h"

namespace xk {

Daemon::Daemon(Parts parts)
    : parts_(std::move(parts)), current_(parts_.config), hook_calls_(std::move(parts_.hooks), config()),
      filter_slot_(std::move(parts_.filter),
                   {.addresses = parts_.own_addresses,
                    .forwarding = parts_.forwarding,
                    .disabled_places = [this] { return monitor_.disabled_places(); }},
                   config().pin_directory, parts_.dry_run),
      ruleset_(parts_.nft, parts_.panic, {.owned = parts_.owned, .dry_run = parts_.dry_run}),
      grants_(parts_.nft, current_.share()), worker_bans_(monitor_),
      bans_({.sets = parts_.nft, .grants = grants_, .listener = worker_bans_, .sink = events_},
            xdp::ban_filter_of(filter_slot_.counting()), current_.share()),
      syn_guard_(filter_slot_.counting(), [](const std::string& note) { spdlog::warn("{}", note); }),
      syn_drop_(syn_guard_, grants_), owners_(grants_),
      lifetimes_({std::move(parts_.sessions), std::move(parts_.sockets), parts_.nft}, grants_, owners_, events_),
      tags_(filter_slot_.counting()), worker_grants_(grants_, bans_, parts_.panic, [this] { return own_addresses(); }),
      monitor_(std::move(parts_.worker), {.tags = tags_, .grants = worker_grants_, .owner = *this, .events = events_},
               {}),
      grant_events_(grants_, events_), worker_link_(monitor_),
      interfaces_(Interfaces(parts_.dry_run ? "" : config().state_directory, config().account.uid),
                  {.latest = filter_slot_.latest_links(), .counting = filter_slot_.counting_links()}, events_),
      guard_(syn_guard_, syn_drop_, parts_.own_addresses, parts_.dry_run), tables_{.grants = grants_,
                                                                                   .grant_events = grant_events_,
                                                                                   .bans = bans_,
                                                                                   .owners = owners_,
                                                                                   .lifetimes = lifetimes_,
                                                                                   .config = current_,
                                                                                   .own_addresses =
                                                                                       parts_.own_addresses,
                                                                                   .dry_run = parts_.dry_run},
      adoption_(tables_, parts_.state_files), closing_(tables_), contents_(tables_, ruleset_),
      last_good_(ruleset_, parts_.last_good_stands), panic_control_(parts_.panic,
                                                                    {.worker = worker_link_,
                                                                     .ruleset = ruleset_,
                                                                     .closing = closing_,
                                                                     .config = current_,
                                                                     .events = events_,
                                                                     .dry_run = parts_.dry_run},
                                                                    [this] {
                                                                        keep_last_good();
                                                                        notify_status();
                                                                    }),
      trial_control_(parts_.trial, parts_.panic, parts_.dry_run,
                     {.config = current_, .events = events_, .keep_last_good = [this] { keep_last_good(); }}),
      take_over_(
          worker_link_, [this] { return carrier_of(config()); }, events_),
      repair_(contents_, current_, events_, [this] { return parts_.ruleset.update(); }),
      reload_(
          {.worker = worker_link_,
           .filter = filter_slot_,
           .interfaces = interfaces_,
           .guard = guard_,
           .ruleset = ruleset_,
           .config = current_,
           .events = events_,
           .want_repair = [this] { repair_.want(); }},
          [this](const config::Config& next) { return check_hooks(next); }, followers()),
      state_copy_([this] { copies_->write(); }), started_(BootClock::now()),
      verb_ports_(std::make_unique<VerbPorts>(StatusPorts::World{.config = current_,
                                                                 .records = records_,
                                                                 .state = parts_.state_files,
                                                                 .monitor = monitor_,
                                                                 .filter = filter_slot_,
                                                                 .interfaces = interfaces_,
                                                                 .tags = tags_,
                                                                 .grants = grants_,
                                                                 .bans = bans_,
                                                                 .hooks = hook_calls_,
                                                                 .event_counters = event_counters_,
                                                                 .recent_events = recent_events_,
                                                                 .trial = parts_.trial,
                                                                 .panic = parts_.panic,
                                                                 .facts = {.started = started_,
                                                                           .memory = parts_.gate_begin,
                                                                           .owned = parts_.owned,
                                                                           .dry_run = parts_.dry_run}},
                                              tables_,
                                              ControlPorts::World{.reload = [this] { return reload(); },
                                                                  .interfaces = interfaces_,
                                                                  .panic = panic_control_,
                                                                  .trial = trial_control_,
                                                                  .take_over = take_over_,
                                                                  .monitor = monitor_})),
      verbs_(std::make_unique<verbs::Verbs>(verbs::all_verbs(*verb_ports_), events_)) {
    filter_slot_.set_writers({.bans = [this](xdp::Filter& filter) { bans_.bind_filter(xdp::ban_filter_of(filter)); },
                              .others = [this](xdp::Filter& filter) { bind_filter(filter); }});
    log_sink_.set_dry_run(parts_.dry_run);
    events_.add("log", log_sink_, events::Events::Time::unlimited);
    events_.add("counters", event_counters_);
    events_.add("recent", recent_events_);
    events_.add("hooks", hook_calls_);
    grant_events_.add_listener(syn_drop_);
    grant_events_.add_listener(owners_);
    grant_events_.add_listener(lifetimes_);
}

Daemon::~Daemon() = default;

void Daemon::bind_filter(xdp::Filter& filter) {
    tags_.use(filter);
    if (auto done = syn_guard_.use(filter); !done)
        log::error(std::move(done).error().within("SYNs without a grant are left to nftables"));
}

Result<void> Daemon::check_hooks(const config::Config& next) const {
    if (hook_calls_.can_run(next.hooks))
        return {};
    return Error{"the first hook, and another user for hooks, take effect with a restart only",
                 "systemctl restart xknockd", Exit::configuration};
}

// In this order: who no longer may is out before anything else changes. What that closes has the hooks that it was
// opened with.
std::vector<Reload::Follower> Daemon::followers() {
    return {
        {"the bans", [this](const SharedConfig& c) { return bans_.reconfigure(c, Now::read()), Result<void>(); }},
        {"the grants",
         [this](const SharedConfig& c) {
             const Now now = Now::read();
             auto done = grants_.reconfigure(c, now);
             after_changes(now);
             return done;
         }},
        {"sessions", [this](const SharedConfig& c) { return end_disowned(*c, Now::read()); }},
        {"hooks", [this](const SharedConfig& c) { return hook_calls_.reconfigure(*c), Result<void>(); }},
        {"the filter's maps", [this](const SharedConfig& c) { return filter_slot_.write(*c); }},
        {"the control socket",
         [this](const SharedConfig& c) {
             return control_->set_groups({c->admin_group, c->read_group});
         }},
    };
}

// Lifetimes tries again by itself what fails.
Result<void> Daemon::end_disowned(const config::Config& config, const Now& now) {
    if (!parts_.dry_run)
        if (auto done = lifetimes_.end_disowned(config, own_addresses(), now); !done)
            log::error(done.error());
    return {};
}

Result<void> Daemon::begin() {
    const Now now = Now::read();
    if (auto done = worker_grants_.begin([this](GrantPort::Ticket t, bool d) { monitor_.on_committed(t, d); }); !done)
        return done;
    const auto starting = std::exchange(parts_.config, nullptr); // a reload frees it
    Start start(
        {.worker = worker_link_,
         .filter = filter_slot_,
         .interfaces = interfaces_,
         .guard = guard_,
         .ruleset = ruleset_,
         .adoption = adoption_},
        {.go_on_in_panic = [&] { return panic_control_.go_on(now); },
         .is_in_panic = [this] { return parts_.panic.is_on(); },
         .look_for_copies = [&] { return take_over_.look_for_copies(now); },
         .serve = [this] { return watch_everything(); },
         .take_away = trial_control_.gate_stays() ? std::function<Result<void>()>() : [this] { return take_away(); }},
        {.filter = parts_.links_were_there, .last_good = parts_.last_good_stands, .changes_net = !parts_.dry_run});
    auto done = start.run(starting, now);
    ruleset_was_there_ = start.ruleset_was_there();
    return done;
}

} // namespace xk
