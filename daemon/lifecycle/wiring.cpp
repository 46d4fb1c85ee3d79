// SPDX-License-Identifier: MIT
// Joins the parts of the privileged process. Each function makes the interfaces through which one part sees the others.
// The functions only bind references, because most members do not exist yet when the constructor calls them.
#include "daemon/lifecycle/daemon.h"

#include "daemon/lifecycle/removal.h"
#include "daemon/lifecycle/start.h"
#include "daemon/lifecycle/verb_ports.h"
#include "daemon/log.h"
#include "daemon/privsep/privileges.h"
#include "daemon/verbs/verbs.h"

namespace xk {

Daemon::Daemon(Parts parts)
    : parts_(std::move(parts)), current_(parts_.config), hook_calls_(std::move(parts_.hooks), config()),
      // The filter and the ruleset.
      filter_slot_(std::move(parts_.filter), filter_host(), config().pin_directory, parts_.dry_run),
      ruleset_(parts_.nft, parts_.panic, {.owned = parts_.owned, .dry_run = parts_.dry_run}),
      // The tables of grants, bans and sessions.
      grants_(parts_.nft, current_.share()), worker_bans_(monitor_),
      bans_(ban_parts(), xdp::ban_filter_of(filter_slot_.counting()), current_.share()),
      syn_guard_(filter_slot_.counting(), [](const std::string& note) { log::warn("{}", note); }),
      syn_drop_(syn_guard_, grants_), owners_(grants_),
      lifetimes_({std::move(parts_.sessions), std::move(parts_.sockets), parts_.nft}, grants_, owners_, events_),
      // The worker.
      tags_(filter_slot_.counting()), steps_(filter_slot_.counting()), answers_(filter_slot_.counting()),
      worker_grants_(grants_, bans_, parts_.panic, [this] { return own_addresses(); }),
      monitor_(std::move(parts_.worker), monitor_world(), {}), grant_events_(grants_, events_), worker_link_(monitor_),
      // The ports of start, reload, panic and repair.
      interfaces_(Interfaces(parts_.dry_run ? "" : config().state_directory, config().account.uid), links(), events_),
      guard_(syn_guard_, syn_drop_, parts_.own_addresses, parts_.dry_run), tables_(tables()),
      adoption_(tables_, parts_.state_files), closing_(tables_), contents_(tables_, ruleset_),
      // The parts that act through these ports.
      last_good_(ruleset_, parts_.last_good_stands), panic_control_(parts_.panic, panic_world()),
      trial_control_(parts_.trial, parts_.panic, parts_.dry_run, trial_world()),
      take_over_(
          worker_link_, [this] { return carrier_of(config()); }, events_),
      repair_(contents_, current_, events_, [this] { return parts_.ruleset.read_changes(); }),
      reload_(
          reload_world(), [this](const config::Config& next) { return check_hooks(next); }, followers()),
      state_copy_([this] { copies_->write(); }), started_(BootClock::now()),
      // The control socket.
      verb_ports_(make_verb_ports()), verbs_(std::make_unique<verbs::Verbs>(verbs::all_verbs(*verb_ports_), events_)) {
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

FilterSlot::Host Daemon::filter_host() {
    const auto disabled_places = [this] { return monitor_.disabled_places(); };
    return {.addresses = parts_.own_addresses, .forwarding = parts_.forwarding, .disabled_places = disabled_places};
}

Bans::Parts Daemon::ban_parts() {
    return {.sets = parts_.nft, .grants = grants_, .listener = worker_bans_, .sink = events_};
}

Monitor::World Daemon::monitor_world() {
    return {.tags = tags_,
            .steps = steps_,
            .answers = answers_,
            .grants = worker_grants_,
            .owner = *this,
            .events = events_};
}

InterfacesControl::Links Daemon::links() {
    return {.latest = filter_slot_.latest_links(), .counting = filter_slot_.counting_links()};
}

Tables Daemon::tables() {
    return {.grants = grants_,
            .grant_events = grant_events_,
            .bans = bans_,
            .owners = owners_,
            .lifetimes = lifetimes_,
            .config = current_,
            .own_addresses = parts_.own_addresses,
            .dry_run = parts_.dry_run};
}

PanicControl::World Daemon::panic_world() {
    return {.worker = worker_link_,
            .ruleset = ruleset_,
            .closing = closing_,
            .config = current_,
            .events = events_,
            .on_change =
                [this] {
                    keep_last_good();
                    notify_status();
                },
            .want_repair = [this] { repair_.want(); },
            .dry_run = parts_.dry_run};
}

TrialControl::World Daemon::trial_world() {
    return {.config = current_, .events = events_, .keep_last_good = [this] { keep_last_good(); }};
}

Reload::World Daemon::reload_world() {
    return {.worker = worker_link_,
            .filter = filter_slot_,
            .interfaces = interfaces_,
            .guard = guard_,
            .ruleset = ruleset_,
            .config = current_,
            .events = events_,
            .want_repair = [this] { repair_.want(); }};
}

std::unique_ptr<VerbPorts> Daemon::make_verb_ports() {
    StatusPorts::World status{
        .config = current_,
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
        .events = events_,
        .recent_events = recent_events_,
        .trial = parts_.trial,
        .panic = parts_.panic,
        .facts = {.started = started_, .memory = parts_.gate_begin, .owned = parts_.owned, .dry_run = parts_.dry_run}};
    ControlPorts::World control{.reload = [this] { return reload(); },
                                .reload_users = [this](const auto& users) { return reload_users(users); },
                                .interfaces = interfaces_,
                                .panic = panic_control_,
                                .trial = trial_control_,
                                .take_over = take_over_,
                                .monitor = monitor_};
    return std::make_unique<VerbPorts>(std::move(status), tables_, std::move(control));
}

void Daemon::bind_filter(xdp::Filter& filter) {
    tags_.bind_filter(filter);
    steps_.bind_filter(filter);
    answers_.bind_filter(filter);
    syn_guard_.bind_filter(filter);
}

Result<void> Daemon::check_hooks(const config::Config& next) const {
    if (hook_calls_.can_run(next.hooks))
        return {};
    return Error{"the first hook, and another user for hooks, take effect with a restart only",
                 "systemctl restart xknockd", Exit::configuration};
}

// The order matters. Users who lost a right lose their grants before anything else changes, and "hooks" comes after
// "the grants", so that a grant ends with the hooks with which it began.
std::vector<Reload::Follower> Daemon::followers() {
    const auto follow_grants = [this](const SharedConfig& c) {
        const Now now = Now::read();
        auto done = grants_.reconfigure(c, now);
        after_changes(now);
        return done;
    };
    const auto follow_sessions = [this](const SharedConfig& c) { return end_disowned(*c, Now::read()); };
    return {
        {"the bans", [this](const SharedConfig& c) { return bans_.reconfigure(c, Now::read()); }},
        {"the grants", follow_grants, follow_grants},
        {"sessions", follow_sessions, follow_sessions},
        {"hooks", [this](const SharedConfig& c) { return hook_calls_.reconfigure(*c), Result<void>(); }},
        {kFilterMaps, [this](const SharedConfig& c) { return filter_slot_.write(*c); },
         [this](const SharedConfig&) { return filter_slot_.write_credentials(monitor_.changed_places()); }},
        {"the control socket",
         [this](const SharedConfig& c) {
             return control_->set_groups({c->admin_group, c->read_group});
         }},
        {kLastGood, [this](const SharedConfig& c) { return renew_last_good(*c); }},
    };
}

// An error is only logged, because Lifetimes tries again on each tick.
Result<void> Daemon::end_disowned(const config::Config& config, const Now& now) {
    if (!parts_.dry_run)
        if (auto done = lifetimes_.end_disowned(config, own_addresses(), now); !done)
            log::error(done.error());
    return {};
}

Result<void> Daemon::prepare_requests() {
    return worker_grants_.begin([this](GrantPort::Ticket ticket, bool done) { monitor_.on_committed(ticket, done); });
}

// Only the exchange of another program's dispatcher for a link of our own needs them, and it is done. A thread keeps
// the capabilities that its creator has at that moment (capabilities(7)), so they are dropped before CopyWriter is
// made.
Result<void> Daemon::drop_capabilities() {
    return config().coexist ? Result<void>() : privsep::drop_dispatcher_capabilities();
}

Result<void> Daemon::begin() {
    const Now now = Now::read();
    const auto starting = std::exchange(parts_.config, nullptr); // so that a reload can free the configuration
    Start::World world{.worker = worker_link_,
                       .filter = filter_slot_,
                       .interfaces = interfaces_,
                       .guard = guard_,
                       .ruleset = ruleset_,
                       .adoption = adoption_};
    Start::Actions actions{.prepare_requests = [this] { return prepare_requests(); },
                           .continue_panic = [&] { return panic_control_.go_on(now); },
                           .is_in_panic = [this] { return parts_.panic.is_on(); },
                           .look_for_copies = [&] { return take_over_.look_for_copies(now); },
                           .drop_capabilities = [this] { return drop_capabilities(); },
                           .open_loop = [this] { return watch_everything(); },
                           .take_gate_away = {}};
    if (!trial_control_.gate_stays())
        actions.take_gate_away = [this] { return take_away(); };
    Start start(
        world, std::move(actions),
        {.filter = parts_.links_were_there, .last_good = parts_.last_good_stands, .changes_net = !parts_.dry_run});
    auto done = start.start_daemon(starting, now);
    ruleset_was_there_ = start.ruleset_was_there();
    return done;
}

} // namespace xk
