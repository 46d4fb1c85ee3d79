// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/verb_ports.h"

#include "daemon/lifecycle/version.h"
#include "daemon/monitor/filter_answers.h"
#include "daemon/xdp/maps.h"

#include <unistd.h>

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

// The places of the records are found once, because a search for each of n credentials would take n * n steps.
StatusPorts::ByIndex StatusPorts::find_states(std::shared_ptr<const config::Config> config) {
    const authz::StateImage& state = w_.state.image();
    Records records;
    if (config == w_.config.share()) {
        w_.records.find(config->policy, state);
        records = w_.records;
    } else {
        records.find(config->policy, state);
    }
    return [&state, config, records = std::move(records)](std::size_t credential) {
        return records.of(config->policy, credential, state);
    };
}

verbs::DaemonStatus StatusPorts::read_status(const Now& now) {
    return {.version = version(),
            .pid = ::getpid(),
            .worker_pid = w_.monitor.pid(),
            .started = w_.facts.started,
            .dry_run = w_.facts.dry_run,
            .trial_left = w_.trial.is_on() ? std::optional(w_.trial.left(now.boot)) : std::nullopt,
            .owned = w_.facts.owned,
            .panic = w_.panic.is_on(),
            .panic_since = w_.panic.since(),
            .interfaces = statuses_of(w_.interfaces.all()),
            .tags = w_.tags.count(),
            .grants = w_.grants.book().pinholes(),
            .bans = w_.bans.list().all().size(),
            .hooks = status_of(w_.hooks),
            .memory = w_.facts.memory,
            .carrier = carrier_of(*w_.config),
            .clock_is_wrong = w_.monitor.clock_is_wrong(),
            .cannot_answer = cannot_answer(w_.config->policy)};
}

Result<StatusPorts::Counters> StatusPorts::read_filter_counters() {
    const auto counts = xdp::read_counters(w_.filter.counting());
    if (!counts)
        return counts.error();
    Counters named;
    for (int i = 0; i < XK_COUNTERS; ++i)
        named.emplace_back(xdp::counter_name(i), (*counts)[static_cast<std::size_t>(i)]);
    return named;
}

Result<void> StatusPorts::unlock_credential(std::size_t credential) {
    return w_.monitor.unlock(w_.config->policy.credentials[credential].id);
}

std::optional<verbs::GrantRow> GrantPorts::find_next_grant(const std::optional<authz::Pinhole>& last, const Now& now) {
    t_.grants.expire(now.boot);
    const auto& all = t_.grants.book().all();
    const auto next = last ? all.upper_bound(*last) : all.begin();
    if (next == all.end())
        return std::nullopt;
    const auto& [pinhole, holders] = *next;
    const authz::Service* const service = t_.grants.service_of(pinhole);
    return verbs::GrantRow{.pinhole = pinhole,
                           .endpoint = t_.grants.text_of(pinhole),
                           .service = service != nullptr ? std::string(service->name.view()) : "",
                           .holders = holders};
}

GrantPorts::Opened GrantPorts::open_for_operator(const authz::GrantRequest& request, const Now& now) {
    const Grants::Done done = t_.grants.open_by_operator(request, t_.bans.list(), t_.addresses(), now);
    return {.answer = done.answer, .service = done.service, .lifetime = done.lifetime, .error = done.error};
}

Result<std::size_t> GrantPorts::close_grants(const Prefix& prefix, const Now& now) {
    return t_.grants.close_prefix(prefix, now);
}

Result<std::size_t> GrantPorts::close_grants(const Credentials& credentials, const Now& now) {
    return t_.grants.close_credentials(credentials, now);
}

Result<GrantPorts::Sessions> GrantPorts::end_sessions(const Prefix& prefix, const std::optional<TcpSession>& spared) {
    const auto ended = t_.lifetimes.end_sessions_of(prefix, *t_.config, t_.addresses(), spared, Now::read());
    return ended ? Result<Sessions>(Sessions{*ended, 0}) : Result<Sessions>(ended.error());
}

Result<GrantPorts::Sessions> GrantPorts::end_sessions(const Credentials& credentials,
                                                      const std::optional<TcpSession>& spared) {
    const auto ended = t_.lifetimes.end_sessions_of(std::set(credentials.begin(), credentials.end()), *t_.config,
                                                    t_.addresses(), spared, Now::read());
    return ended ? Result<Sessions>(Sessions{ended->ended, ended->shared}) : Result<Sessions>(ended.error());
}

Result<BanPorts::Banned> BanPorts::ban_prefixes(const Order& order, const Now& now) {
    const Bans::Request request{
        .prefixes = order.prefixes, .time = order.time, .owner = order.reason, .ipv6_prefix = order.ipv6_prefix};
    const auto done = t_.bans.ban(request, t_.addresses(), now);
    if (!done)
        return done.error();
    t_.lifetimes.on_ban(now.boot);
    Banned banned{done->prefixes, {}, done->unfinished};
    for (const Bans::Refusal& one : done->refused)
        banned.refused.push_back({one.prefix, one.error});
    return banned;
}

Result<std::size_t> BanPorts::unban_prefixes(const std::vector<Prefix>& prefixes,
                                             const std::optional<std::string>& owner, const Now& now) {
    return t_.bans.unban(prefixes, owner, now);
}

Result<std::size_t> BanPorts::unban_all(Family family, const std::optional<std::string>& owner, const Now& now) {
    const auto which = family == Family::v4   ? Bans::Family::v4
                       : family == Family::v6 ? Bans::Family::v6
                                              : Bans::Family::any;
    return t_.bans.unban_all(which, owner, now);
}

Result<void> BanPorts::end_banned_sessions(const Now& now) {
    return t_.lifetimes.end_banned(*t_.config, t_.bans.list(), t_.addresses(), now);
}

Result<ControlPorts::Closed> ControlPorts::begin_panic(const std::optional<TcpSession>& spared) {
    const auto report = w_.panic.begin_panic(spared, Now::read());
    if (!report)
        return report.error();
    return Closed{.grants = report->grants, .sessions = report->sessions, .outlives_restart = report->outlives_us};
}

} // namespace xk
