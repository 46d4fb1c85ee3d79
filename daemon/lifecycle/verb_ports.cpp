// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/verb_ports.h"

#include "daemon/lifecycle/daemon.h"
#include "daemon/lifecycle/version.h"
#include "daemon/log.h"

namespace xk {
namespace {

std::vector<verbs::InterfaceStatus> statuses_of(const Interfaces& interfaces) {
    std::vector<verbs::InterfaceStatus> statuses;
    for (const Interfaces::Interface& one : interfaces.all())
        statuses.push_back({.name = one.attachment.interface,
                            .device = one.has_filter() ? one.device() : "",
                            .mode = std::string(one.state()),
                            .since = one.since,
                            .reason = one.reason});
    return statuses;
}

std::optional<verbs::HookStatus> status_of(const HookCalls& calls) {
    if (!calls.was_started())
        return std::nullopt;
    const HookCalls::Counts& counts = calls.counts();
    return verbs::HookStatus{
        .running = calls.fd() >= 0, .done = counts.done, .failed = counts.failed, .dropped = counts.dropped};
}

} // namespace

std::shared_ptr<const config::Config> VerbPorts::config() const { return daemon_.shared_config(); }

// The places of the records are found once, because to look for each would take the square of their number.
VerbPorts::ByIndex VerbPorts::find_states(std::shared_ptr<const config::Config> config) {
    Records records = config == daemon_.shared_config() ? daemon_.find_records() : Records();
    records.find(config->policy, daemon_.state());
    return [this, config, records = std::move(records)](std::size_t credential) {
        return records.of(config->policy, credential, daemon_.state());
    };
}

verbs::DaemonStatus VerbPorts::read_status(const Now& now) {
    const Trial& trial = daemon_.trial();
    return {.version = version(),
            .pid = ::getpid(),
            .worker_pid = daemon_.monitor().pid(),
            .started = daemon_.started(),
            .dry_run = daemon_.is_dry_run(),
            .trial_left = trial.is_on() ? std::optional(trial.left(now.boot)) : std::nullopt,
            .owned = daemon_.is_owned(),
            .panic = daemon_.panic().is_on(),
            .panic_since = daemon_.panic().since(),
            .interfaces = statuses_of(daemon_.interfaces()),
            .tags = daemon_.tag_count(),
            .grants = daemon_.grants().book().pinholes(),
            .bans = daemon_.bans().list().all().size(),
            .hooks = status_of(daemon_.hook_calls()),
            .memory = daemon_.gate_begin(),
            .carrier = daemon_.carrier(),
            .clock_is_wrong = daemon_.monitor().clock_is_wrong()};
}

Result<VerbPorts::Counters> VerbPorts::read_filter_counters() {
    const auto counts = xdp::read_counters(daemon_.filter());
    if (!counts)
        return counts.error();
    Counters named;
    for (int i = 0; i < XK_COUNTERS; ++i)
        named.emplace_back(xdp::counter_name(i), (*counts)[static_cast<std::size_t>(i)]);
    return named;
}

authz::StateHeader VerbPorts::read_judgement_counters() const { return daemon_.state().header; }

Result<void> VerbPorts::unlock_credential(std::size_t credential) {
    return daemon_.monitor().unlock(daemon_.config().policy.credentials[credential].id);
}

std::optional<verbs::GrantRow> VerbPorts::find_next_grant(const std::optional<authz::Pinhole>& last, const Now& now) {
    Grants& grants = daemon_.grants();
    grants.expire(now.boot);
    const auto& all = grants.book().all();
    const auto next = last ? all.upper_bound(*last) : all.begin();
    if (next == all.end())
        return std::nullopt;
    const auto& [pinhole, holders] = *next;
    const authz::Service* const service = grants.service_of(pinhole);
    return verbs::GrantRow{.pinhole = pinhole,
                           .endpoint = grants.text_of(pinhole),
                           .service = service != nullptr ? std::string(service->name.view()) : "",
                           .holders = holders};
}

bool VerbPorts::is_dry_run() const { return daemon_.is_dry_run(); }

VerbPorts::Opened VerbPorts::open_for_operator(const authz::GrantRequest& request, const Now& now) {
    const Grants::Done done =
        daemon_.grants().open_by_operator(request, daemon_.bans().list(), daemon_.own_addresses(), now);
    return {.answer = done.answer, .service = done.service, .lifetime = done.lifetime, .error = done.error};
}

Result<std::size_t> VerbPorts::close_grants(const Prefix& prefix, const Now& now) {
    return daemon_.grants().close_prefix(prefix, now);
}

Result<std::size_t> VerbPorts::close_grants(const Credentials& credentials, const Now& now) {
    return daemon_.grants().close_credentials(credentials, now);
}

Result<VerbPorts::Sessions> VerbPorts::end_sessions(const Prefix& prefix, const std::optional<TcpSession>& spared) {
    const auto ended = daemon_.lifetimes().end_of(prefix, *config(), daemon_.own_addresses(), spared, Now::read());
    return ended ? Result<Sessions>(Sessions{*ended, 0}) : Result<Sessions>(ended.error());
}

Result<VerbPorts::Sessions> VerbPorts::end_sessions(const Credentials& credentials,
                                                    const std::optional<TcpSession>& spared) {
    const auto ended = daemon_.lifetimes().end_of(std::set(credentials.begin(), credentials.end()), *config(),
                                                  daemon_.own_addresses(), spared, Now::read());
    return ended ? Result<Sessions>(Sessions{ended->ended, ended->shared}) : Result<Sessions>(ended.error());
}

void VerbPorts::expire_bans(const Now& now) { daemon_.bans().expire(now); }

const authz::BanBook& VerbPorts::ban_book() const { return daemon_.bans().book(); }

std::string VerbPorts::owner_of(const std::string& reason) const { return Bans::owner_of(reason); }

Result<VerbPorts::Banned> VerbPorts::ban_prefixes(const Order& order, const Now& now) {
    const Bans::Request request{
        .prefixes = order.prefixes, .time = order.time, .owner = order.reason, .ipv6_prefix = order.ipv6_prefix};
    const auto done = daemon_.bans().ban(request, daemon_.own_addresses(), now);
    if (!done)
        return done.error();
    daemon_.lifetimes().on_ban(now.boot);
    Banned banned{done->prefixes, {}};
    for (const Bans::Refusal& one : done->refused)
        banned.refused.push_back({one.prefix, one.error});
    return banned;
}

Result<std::size_t> VerbPorts::unban_prefixes(const std::vector<Prefix>& prefixes,
                                              const std::optional<std::string>& owner, const Now& now) {
    return daemon_.bans().unban(prefixes, owner, now);
}

Result<std::size_t> VerbPorts::unban_all(Family family, const std::optional<std::string>& owner, const Now& now) {
    const auto which = family == Family::v4   ? Bans::Family::v4
                       : family == Family::v6 ? Bans::Family::v6
                                              : Bans::Family::any;
    return daemon_.bans().unban_all(which, owner, now);
}

void VerbPorts::end_banned_sessions(const Now& now) {
    if (!daemon_.lifetimes().any_banned())
        return;
    if (auto done = daemon_.lifetimes().tick(*config(), daemon_.bans().list(), daemon_.own_addresses(), now); !done)
        log::error(done.error());
}

Result<void> VerbPorts::reload_config() { return daemon_.reload(); }

std::vector<std::string> VerbPorts::interface_warnings() const { return daemon_.interfaces().warnings(); }

Result<VerbPorts::Closed> VerbPorts::begin_panic(const std::optional<TcpSession>& spared) {
    const auto report = daemon_.panic(spared);
    if (!report)
        return report.error();
    return Closed{.grants = report->grants, .sessions = report->sessions, .outlives_restart = report->outlives_us};
}

Result<bool> VerbPorts::end_panic() { return daemon_.end_panic(); }

Result<void> VerbPorts::begin_trial(std::chrono::seconds time) { return daemon_.put_on_trial(time); }

Result<void> VerbPorts::confirm_trial() { return daemon_.confirm(); }

Result<void> VerbPorts::accept_clock() { return daemon_.monitor().accept_clock(); }

Result<void> VerbPorts::raise_horizon() { return daemon_.take_over(); }

} // namespace xk
