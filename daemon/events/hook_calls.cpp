// SPDX-License-Identifier: MIT
#include "daemon/events/hook_calls.h"

#include "daemon/log.h"
#include "protocol/base/quote.h"

#include <poll.h>
#include <sys/wait.h>

#include <cstring>

namespace xk {
namespace {

using namespace hooks;

static_assert(kMaxArguments == config::kMaxHookArguments && kMaxBytes == config::kMaxHookBytes);

constexpr int kReportsAtOnce = 64; // in one turn of the loop, so that the other descriptors get theirs

bool is_sensible(const Report& report) {
    return report.outcome >= Outcome::done && report.outcome <= Outcome::restarted &&
           (report.event == Event::open || report.event == Event::close);
}

std::string shown(const authz::Name& name) { return printable(name.view()); }

} // namespace

HookCalls::HookCalls(std::optional<privsep::Child> process, const config::Config& config)
    : process_(std::move(process)), pid_(process_ ? process_->pid : -1), was_started_(process_.has_value()),
      account_(config.hooks.account) {
    reconfigure(config);
}

Result<privsep::Child> HookCalls::start(const std::string& executable) {
    return privsep::spawn_child(executable, "xknock-hooks");
}

Result<void> HookCalls::set_up(const privsep::Child& process, const config::Account& account) {
    Setup setup;
    setup.uid = account.uid;
    setup.gid = account.gid;
    const Error silent{"xknock-hooks does not come up", "see its own log lines above"};
    if (!privsep::send(process.channel, setup)) // xknock-hooks ended at once
        return silent;
    pollfd ready{process.channel.fd(), POLLIN, 0};
    ::poll(&ready, 1, 10'000);
    auto received = process.channel.receive(false);
    if (!received)
        return received.error();
    if (!*received || !privsep::as<Ready>(**received))
        return silent;
    return {};
}

bool HookCalls::can_run(const config::Hooks& hooks) const {
    return !hooks.any() || (was_started_ && hooks.account.uid == account_.uid && hooks.account.gid == account_.gid);
}

void HookCalls::reconfigure(const config::Config& config) {
    time_limit_ = config.hooks.time_limit;
    services_.clear();
    for (std::size_t i = 0; i < config.policy.services.size(); ++i)
        services_.emplace(config.policy.services[i].name.view(), config.hooks.services[i]);
}

void HookCalls::on_event(const authz::Event& event) {
    if (event.kind == authz::EventKind::grant_begun)
        call(event, Event::open);
    else if (event.kind == authz::EventKind::grant_ended)
        call(event, Event::close);
}

void HookCalls::call(const authz::Event& grant, Event event) {
    const auto lists = services_.find(grant.service);
    if (lists == services_.end() || !was_started_)
        return;
    const std::vector<std::string>& arguments = event == Event::open ? lists->second.on_open : lists->second.on_close;
    if (arguments.empty())
        return;
    Run run;
    run.event = event;
    run.lifetime = event == Event::open ? static_cast<std::uint32_t>(grant.lifetime.count()) : 0;
    run.time_limit = static_cast<std::uint32_t>(time_limit_.count());
    run.subject = {authz::Name(grant.user), authz::Name(grant.device), authz::Name(grant.service),
                   grant.address.value_or(Address{})};
    run.arguments = static_cast<std::uint32_t>(arguments.size());
    char* at = run.text;
    // The arguments fit, because the limits of the configuration are those of the message.
    for (const std::string& argument : arguments)
        at = std::copy_n(argument.c_str(), argument.size() + 1, at);
    const auto sent = process_ ? process_->channel.try_send({reinterpret_cast<const std::uint8_t*>(&run), sizeof run})
                               : Result<bool>(false);
    if (!sent || !*sent)
        drop(run);
}

void HookCalls::drop(const Run& run) {
    ++counts_.dropped;
    complain(run.subject, run.event, process_ ? "was dropped: too many wait" : "was dropped: xknock-hooks is gone");
}

void HookCalls::complain(const Subject& subject, Event event, const std::string& what) {
    if (!log_.allow(static_cast<unsigned>(event), subject.source, BootClock::now()))
        return;
    const std::string device = shown(subject.device);
    log::warn("the hook {} of {} for {}{} from {} {}", event == Event::open ? "on_open" : "on_close",
              shown(subject.service), shown(subject.user), device.empty() ? "" : "/" + device, subject.source.text(),
              what);
}

bool HookCalls::receive() {
    for (int i = 0; i < kReportsAtOnce; ++i) {
        auto received = process_->channel.receive(false);
        if (received && !process_->channel.closed() && !*received)
            return true;
        const auto report = received && *received ? privsep::as<Report>(**received) : std::nullopt;
        if (!report || !is_sensible(*report)) {
            process_.reset();
            log::error("xknock-hooks is gone; no hook runs until xknockd is restarted");
            return false;
        }
        take(*report);
    }
    return true;
}

void HookCalls::take(const Report& report) {
    const std::string line = printable({report.says, ::strnlen(report.says, kMaxSays)});
    const std::string says = line.empty() ? "" : ": " + line;
    const std::string code = std::to_string(report.code);
    ++(report.outcome == Outcome::done      ? counts_.done
       : report.outcome == Outcome::dropped ? counts_.dropped
                                            : counts_.failed);
    switch (report.outcome) {
    case Outcome::done:
        return;
    case Outcome::failed:
        return complain(report.subject, report.event, "ended with code " + code + says);
    case Outcome::killed:
        return complain(report.subject, report.event, "was ended by signal " + code + says);
    case Outcome::overdue:
        return complain(report.subject, report.event, "was killed at hooks.time_limit" + says);
    case Outcome::dropped:
        return complain(report.subject, report.event, "was dropped: too many wait");
    case Outcome::restarted:
        if (log_.allow(0, {}, BootClock::now()))
            log::error("the runner of xknock-hooks ended{}; the hooks that it ran are lost, and it is started again",
                       report.code != 0 ? " by signal " + code : "");
        return;
    }
}

void HookCalls::on_child() {
    if (pid_ > 0 && ::waitpid(pid_, nullptr, WNOHANG) == pid_)
        pid_ = -1;
}

void HookCalls::on_tick(BootTime now) {
    if (const auto suppressed = log_.take_suppressed(now); suppressed > 0)
        log::warn("{} more hooks failed or were dropped than logged", suppressed);
}

void HookCalls::stop() { process_.reset(); }

} // namespace xk
