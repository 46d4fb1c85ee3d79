// SPDX-License-Identifier: MIT
// How a configuration comes to count: at start, and on a reload.
#include "daemon/lifecycle/daemon.h"

#include "daemon/lifecycle/credential_status.h"
#include "daemon/lifecycle/last_good.h"
#include "daemon/lifecycle/notify.h"
#include "daemon/log.h"
#include "daemon/nft/ended.h"
#include "daemon/nft/ruleset.h"
#include "protocol/encoding.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace xk {
namespace {

// The watchdog is not fed meanwhile: a slow disk with many devices takes longer than systemd would wait else.
constexpr std::chrono::minutes kReloadTime{2};

void add_guards(nft::RulesetSpec& spec, const authz::Service& service) {
    nft::ProtectedPort guard;
    guard.cut = service.after == authz::After::cut;
    guard.max_connections = service.max_connections;
    for (const PortRange& ports : service.all_ports()) {
        guard.ports = ports;
        guard.target4 = service.target4;
        guard.target6 = service.target6;
        spec.guards.push_back(guard);
    }
    if (service.published.port == 0)
        return;
    // Who comes by the published port has his grant there, and is translated behind the ruleset.
    guard.ports = PortRange::of(service.published);
    guard.target4 = guard.target6 = {};
    guard.to4 = service.target4;
    guard.to6 = service.target6;
    guard.to_port = service.ports[0].first;
    spec.guards.push_back(guard);
}

// By the configuration alone: what this kernel can, and a panic, come to it.
nft::RulesetSpec ruleset_of(const config::Config& config) {
    nft::RulesetSpec spec;
    for (const authz::Service& service : config.policy.services)
        add_guards(spec, service);
    spec.allow = config.allow;
    spec.closed = config.gate_closed;
    if (!config.answer_as_closed)
        spec.silent_port = config.port;
    spec.owned = config.gate_owned;
    return spec;
}

// The faults of files that are not out by one already: a reload with a typing error throws out nobody who is judged
// now, and a fault that the start found does not keep the other files from being read again.
Result<void> check_disabled(const config::Config& next, const config::Config& now) {
    std::string faults;
    for (const config::Disabled& disabled : next.disabled)
        if (!config::names(now.disabled, disabled.file))
            for (const std::string& fault : disabled.faults)
                faults += (faults.empty() ? "" : "\n") + fault;
    return faults.empty() ? Result<void>() : Error{faults, {}, Exit::configuration};
}

void log_disabled(const config::Config& config) {
    for (const config::Disabled& disabled : config.disabled) {
        for (const std::string& fault : disabled.faults)
            spdlog::error("{}", fault);
        spdlog::error(
            "{}: whom it describes is disabled until it is mended and \"knockctl reload\" reads it; the others "
            "are judged",
            disabled.file);
    }
}

} // namespace

Result<void> Daemon::begin() {
    auto there = nft::ruleset_exists(parts_.nft);
    if (!there)
        return there.error();
    ruleset_was_there_ = *there && !parts_.last_good_stands;
    auto done = put_up();
    if (done)
        done = watch_everything();
    if (!done)
        take_down();
    if (!done && !stays())
        (void)take_away();
    return done;
}

Result<void> Daemon::put_up() {
    const Now now = Now::read();
    if (auto done = worker_grants_.begin([this](GrantPort::Ticket t, bool d) { monitor_.on_committed(t, d); }); !done)
        return done;
    // Before anything is accepted in this boot, the copy must stop to say that nothing was.
    if (auto done = parts_.state_files.revoke(now, [](const std::string& note) { spdlog::error("{}", note); }); !done)
        return done;
    if (auto done = monitor_.hand_over(*parts_.config, [](const config::Config&) { return Result<void>(); }); !done)
        return done;
    monitor_.commit(parts_.config);
    log_disabled(config());
    if (auto done = syn_guard_.begin(now.boot); !done)
        return done;
    if (auto done = grants_.adopt(now); !done)
        return done;
    if (!parts_.dry_run)
        if (auto done = owners_.read(config().run_directory, config().account.uid); !done)
            log::error(done.error());
    grant_events_.adopt(config().policy);
    auto boot_id = read_boot_id();
    if (!boot_id)
        return boot_id.error();
    if (auto done = bans_.adopt(parts_.dry_run ? BanFile() : BanFile(config().run_directory, to_hex(*boot_id)), now);
        !done)
        return done;
    if (auto done = grants_.reconfigure(parts_.config, now); !done)
        return done;
    grants_.on_open(
        [this](nft::Transaction& transaction, const authz::Pinhole& pinhole) {
            lifetimes_.opening(transaction, pinhole, own_addresses());
        },
        [this](const authz::Pinhole& pinhole) { lifetimes_.opened(pinhole, own_addresses()); });
    if (auto done = write_disabled(); !done)
        return done;
    if (auto done = xdp::set_local_addresses(*parts_.filter, own_addresses()); !done)
        return done;
    if (auto done = write_forwarding(); !done)
        return done;
    resets_ = !parts_.dry_run && nft::can_reset(parts_.nft);
    if (auto done = install_ruleset(config()); !done)
        return done;
    if (auto done = look_after_old_sessions(); !done)
        return done;
    if (auto done = bans_.install(now); !done)
        return done;
    bans_.reconfigure(parts_.config, now);
    if (auto done = bans_.report_all(); !done)
        return done;
    if (auto done = monitor_.set_panic(parts_.panic.is_on()); !done)
        return done;
    if (auto done = look_for_copies(); !done)
        return done;
    if (auto done = monitor_.activate(); !done)
        return done;
    if (auto done = monitor_.wait_for_tags(); !done)
        return done;
    if (auto done = interfaces_.use(*parts_.filter, config(), now); !done)
        return done;
    guard_syns();
    return {};
}

void Daemon::guard_syns() {
    if (!parts_.dry_run)
        syn_drop_.switch_on(config(), parts_.own_addresses.all(), BootClock::now());
}

// What a daemon before us ended stays ended, who is gone since then is out, and a panic goes on.
Result<void> Daemon::look_after_old_sessions() {
    if (parts_.dry_run)
        return {};
    if (auto done = lifetimes_.adopt(config().gate_mode == config::GateMode::table, ruleset_was_there_); !done)
        return done;
    if (auto done = lifetimes_.end_disowned(config(), own_addresses(), Now::read()); !done)
        log::error(done.error());
    return go_on_in_panic();
}

void Daemon::take_down() {
    // Only what this start brought: the ruleset and the pins of a daemon before us go on guarding, and where a start
    // was good once a ruleset stands.
    if (!ruleset_was_there_ && !parts_.last_good_stands && config().gate_mode == config::GateMode::table)
        (void)nft::remove_ruleset(parts_.nft);
    if (!parts_.links_were_there && !parts_.dry_run)
        if (auto done = xdp::Filter::remove_pins(config().pin_directory); !done)
            log::error(done.error());
}

Result<void> Daemon::install_ruleset(const config::Config& config, const std::function<void(nft::Transaction&)>& more) {
    if (parts_.dry_run)
        return {};
    if (config.gate_mode == config::GateMode::external) {
        for (const bool v4 : {true, false}) {
            const std::string& set = v4 ? config.external.set4 : config.external.set6;
            if (auto fit = nft::check_external_set(parts_.nft, {config.external.table, set}, v4); !fit)
                return fit;
        }
        nft::Transaction elements;
        more(elements);
        return parts_.nft.commit(std::move(elements));
    }
    nft::RulesetSpec spec = ruleset_of(config);
    for (nft::ProtectedPort& guard : spec.guards)
        guard.cut = guard.cut || parts_.panic.is_on();
    spec.owned = parts_.owned;
    spec.resets = resets_;
    return nft::install_ruleset(parts_.nft, spec, more);
}

void Daemon::keep_last_good() {
    if (parts_.dry_run)
        return;
    const bool table = config().gate_mode == config::GateMode::table;
    const std::string& directory = config().state_directory;
    auto done = stays() && table && config().shut_on_failure ? write_last_good(directory, ruleset_of(config()))
                                                             : forget_last_good(directory);
    if (!done)
        log::error(std::move(done).error().within("what a start that fails puts up after a boot is not this ruleset"));
    if (!table && std::exchange(parts_.last_good_stands, false)) // the mode is another one by now
        if (auto gone = nft::remove_ruleset(parts_.nft); !gone)
            log::error(gone.error());
}

Result<void> Daemon::write_disabled() { return xdp::set_disabled(*parts_.filter, monitor_.disabled_places()); }

// Only where a rule of ours drops what answers nothing: the administrator's own ruleset need not have one, and the
// stack would answer.
Result<void> Daemon::write_forwarding() {
    return xdp::set_forwarding(*parts_.filter,
                               config().gate_mode == config::GateMode::table && parts_.forwarding.is_on());
}

Result<std::unique_ptr<xdp::Filter>> Daemon::load_filter(const config::Config& config, bool dry_run) {
    xdp::FilterSettings settings;
    settings.knock_port = config.port;
    settings.dry_run = dry_run;
    settings.answer_as_closed = config.answer_as_closed;
    settings.share = config.coexist;
    settings.run_priority = config.run_priority;
    const std::string pins = dry_run ? xdp::Filter::pins_of_dry_run(config.pin_directory) : config.pin_directory;
    auto filter = xdp::Filter::load(settings, pins, [](const std::string& note) { spdlog::warn("{}", note); });
    if (!filter)
        return filter.error();
    return std::make_unique<xdp::Filter>(*std::move(filter));
}

Result<void> Daemon::reload() {
    notify("RELOADING=1\nWATCHDOG_USEC=" + std::to_string(std::chrono::microseconds(kReloadTime).count()));
    struct Again {
        ~Again() {
            const char* const own = std::getenv("WATCHDOG_USEC");
            notify(std::string("READY=1") + (own != nullptr ? std::string("\nWATCHDOG_USEC=") + own : ""));
        }
    } again;
    auto loaded = config::load_config(config().file, config::Identity::required, config::UserFaults::disable);
    if (!loaded)
        return loaded.error();
    auto next = std::make_shared<config::Config>(*std::move(loaded));
    if (auto done = check_disabled(*next, config()); !done)
        return done;
    const config::Config& old = config();
    if (auto same = config::check_unchanged(old, *next); !same)
        return same;
    if (!hook_calls_.can_run(next->hooks))
        return Error{"the first hook, and another user for hooks, take effect with a restart only",
                     "systemctl restart xknockd", Exit::configuration};

    // Everything that can fail, before anything counts. The worker reads the new keys but judges by the old ones.
    const auto may_disable = [this](const config::Config& changed) { return check_disabled(changed, config()); };
    if (auto done = monitor_.hand_over(*next, may_disable); !done)
        return done;
    auto filter = load_filter(*next, parts_.dry_run);
    if (!filter)
        return filter.error();
    bans_.bind_filter(xdp::ban_filter_of(**filter));
    const Interfaces before = interfaces_;
    const auto back = [&](Error error) {
        bans_.bind_filter(xdp::ban_filter_of(*parts_.filter));
        interfaces_ = before;
        interfaces_.go_back(*parts_.filter, old);
        guard_syns();
        return error;
    };
    if (auto done = interfaces_.use(**filter, *next, Now::read()); !done)
        return back(done.error());
    syn_drop_.switch_off();
    if (auto done = install_ruleset(*next); !done)
        return back(done.error());

    // From here on the new configuration counts.
    std::swap(parts_.config, next); // `next` is now the old one, until the end of this function
    std::swap(parts_.filter, *filter);
    monitor_.commit(parts_.config);
    tags_.use(*parts_.filter);
    if (auto done = syn_guard_.use(*parts_.filter); !done)
        log::error(std::move(done).error().within("SYNs without a grant are left to nftables"));
    bans_.reconfigure(parts_.config, Now::read());
    if (auto done = grants_.reconfigure(parts_.config, Now::read()); !done)
        log::error(done.error());
    after_changes(Now::read()); // what this closes has the hooks that it was opened with
    if (!parts_.dry_run)
        if (auto done = lifetimes_.end_disowned(config(), own_addresses(), Now::read()); !done)
            log::error(done.error());
    hook_calls_.reconfigure(config());
    if (auto done = write_disabled(); !done)
        log::error(done.error());
    if (auto done = xdp::set_local_addresses(*parts_.filter, own_addresses()); !done)
        log::error(done.error());
    if (auto done = write_forwarding(); !done)
        log::error(done.error());
    guard_syns();
    if (auto done = control_->set_groups({config().admin_group, config().read_group}); !done)
        log::error(done.error());
    if (auto sent = monitor_.activate(); !sent)
        return sent;
    for (const std::string& warning : config().warnings)
        spdlog::warn("{}", warning);
    log_disabled(config());
    keep_last_good();
    notify_status();
    spdlog::info("reloaded {}: {} credentials", config().file, config().policy.credentials.size());
    log_statuses(config().policy, records_, state(), Now::read());
    return {};
}

} // namespace xk
