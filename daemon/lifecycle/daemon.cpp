// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/daemon.h"

#include "daemon/lifecycle/credential_status.h"
#include "daemon/lifecycle/notify.h"
#include "daemon/lifecycle/ssh_session.h"
#include "daemon/lifecycle/verb_ports.h"
#include "daemon/log.h"
#include "daemon/verbs/verbs.h"
#include "protocol/base/duration.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

namespace xk {
namespace {

using namespace privsep;
using authz::Answer;

constexpr std::chrono::seconds kWorkerPatience{10}; // for an answer of the worker
constexpr std::chrono::seconds kTick{1};
// For the worker's messages, before everything else has its turn again: one that sends without a pause holds up nobody.
constexpr std::chrono::milliseconds kWorkerTurn{5};
constexpr unsigned kReloaded = 100; // a kind of line in refusal_log_, beside those of Answer

// Nobody listens yet.
struct NoEvents final : authz::EventSink {
    void on_event(const authz::Event&) override {}
} no_events;

std::string until_text(const Now& now, std::chrono::seconds lifetime) {
    return duration_text(lifetime) + ", until " + log::utc(now.wall + lifetime);
}

} // namespace

Error worker_error(const std::string& what) {
    return Error{"xknock-worker " + what, "its own last words are above this line", Exit::failed};
}

Daemon::Daemon(Parts parts)
    : parts_(std::move(parts)), hook_calls_(std::move(parts_.hooks), *parts_.config),
      grants_(parts_.nft, parts_.config), worker_bans_(parts_.worker.channel),
      bans_({.sets = parts_.nft, .grants = grants_, .listener = worker_bans_, .sink = hook_calls_},
            xdp::ban_filter_of(*parts_.filter), parts_.config),
      syn_guard_(*parts_.filter, [](const std::string& note) { spdlog::warn("{}", note); }),
      syn_drop_(syn_guard_, grants_), owners_(grants_),
      lifetimes_({std::move(parts_.sessions), std::move(parts_.sockets), parts_.nft}, grants_, owners_, hook_calls_),
      tags_(*parts_.filter), grant_events_(grants_, hook_calls_),
      interfaces_(parts_.dry_run ? "" : config().state_directory, config().account.uid), started_(BootClock::now()) {
    grant_events_.add_listener(syn_drop_);
    grant_events_.add_listener(owners_);
    grant_events_.add_listener(lifetimes_);
}

Daemon::~Daemon() = default;

std::set<Address> Daemon::own_addresses() const {
    return config().local_addresses ? *config().local_addresses : parts_.own_addresses.all();
}

const Records& Daemon::find_records() {
    records_.find(config().policy, state());
    return records_;
}

Result<void> Daemon::watch_everything() {
    auto loop = Loop::make();
    if (!loop)
        return loop.error();
    loop_.emplace(*std::move(loop));
    verb_ports_ = std::make_unique<VerbPorts>(*this);
    verbs_ = std::make_unique<verbs::Verbs>(verbs::all_verbs(*verb_ports_), no_events);
    auto control =
        control::Server::open(config().run_directory + "/control.sock", {config().admin_group, config().read_group},
                              [this](const control::Peer& peer, const std::string& request) {
                                  control::Answer reply = verbs_->answer(peer, request);
                                  after_changes(Now::read());
                                  return reply;
                              });
    if (!control)
        return control.error();
    control_.emplace(*std::move(control));

    sigset_t handled;
    ::sigemptyset(&handled);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGCHLD})
        ::sigaddset(&handled, signal);
    ::sigprocmask(SIG_BLOCK, &handled, nullptr);
    copies_.emplace(parts_.state_files);
    signals_.reset(::signalfd(-1, &handled, SFD_CLOEXEC | SFD_NONBLOCK));
    ticks_.reset(::timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK));
    const timespec second{kTick.count(), 0};
    const itimerspec every{second, second};
    settle_.reset(::timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK));
    if (!signals_ || !ticks_ || !settle_ || ::timerfd_settime(ticks_.get(), 0, &every, nullptr) != 0)
        return os_error("setting up signals and timers");

    auto links = xdp::LinkWatch::open();
    if (!links)
        return links.error();
    links_.emplace(*std::move(links));

    const std::pair<int, void (Daemon::*)()> sources[] = {{worker().fd(), &Daemon::on_worker},
                                                          {signals_.get(), &Daemon::on_signal},
                                                          {parts_.own_addresses.poll_fd(), &Daemon::on_addresses},
                                                          {parts_.forwarding.poll_fd(), &Daemon::on_forwarding},
                                                          {parts_.ruleset.poll_fd(), &Daemon::on_ruleset},
                                                          {links_->poll_fd(), &Daemon::on_links},
                                                          {control_->listen_fd(), &Daemon::on_control},
                                                          {settle_.get(), &Daemon::on_settle},
                                                          {ticks_.get(), &Daemon::on_tick}};
    for (const auto& [fd, reaction] : sources)
        if (auto done = loop_->watch(fd, [this, react = reaction](std::uint32_t) { (this->*react)(); }); !done)
            return done;
    if (hook_calls_.fd() >= 0)
        if (auto done = loop_->watch(hook_calls_.fd(), [this](std::uint32_t) { on_hooks(); }); !done)
            return done;
    grants_.on_done([this](bool done) {
        GrantCommitted message;
        message.failed = done ? 0 : 1;
        for (const std::uint32_t sequence : std::exchange(undone_, {})) {
            message.sequence = sequence;
            (void)send(worker(), message);
        }
    });
    notice_sleep(Now::read());
    return {};
}

Result<void> Daemon::run() {
    // Kept by systemd, so that the table has its owner also while nobody of us lives.
    if (parts_.owned)
        notify("FDSTORE=1\nFDNAME=nft\nFDPOLL=0", parts_.nft.fd());
    log_statuses(config().policy, records_, state(), Now::read());
    if (!parts_.dry_run && !ruleset_was_there_)
        log_sessions(config(), own_addresses());
    if (parts_.trial.is_on())
        spdlog::warn("on trial: everything is taken away in {} unless \"knockctl confirm\" comes before",
                     duration_text(parts_.trial.left(BootClock::now())));
    if (parts_.dry_run)
        spdlog::warn("a dry run: knocks are judged and logged, and nothing is shut or opened");
    keep_last_good();
    const std::size_t out = config().disabled.size();
    spdlog::info("ready: {} credentials{}, knock port {}, interfaces {}, {} grants, {} bans",
                 config().policy.credentials.size(),
                 out == 0 ? "" : " (disabled by faults: " + std::to_string(out) + ")", config().port,
                 interfaces_.text(), grants_.book().pinholes(), bans_.list().all().size());
    notify("READY=1");
    notify_status();
    auto ended = loop_->run();
    notify("STOPPING=1");
    grants_.settle(Now::read());
    syn_drop_.switch_off(); // nobody tells the filter any more which addresses are this host's
    // First of all: who is locked out waits for it.
    if (auto gone = stays() ? Result<void>() : take_away(); !gone)
        return gone;
    if (failure_)
        return *failure_;
    if (!ended)
        return ended;

    hook_calls_.stop();
    // The worker first, so that nothing is accepted after the copy was written.
    parts_.worker.channel.release();
    int status = 0;
    for (int i = 0; i < 300 && ::waitpid(parts_.worker.pid, &status, WNOHANG) == 0; ++i)
        ::poll(nullptr, 0, 10);
    copies_.reset();
    if (auto saved = parts_.state_files.save(Now::read(), true); !saved)
        log::error(saved.error());
    if (auto saved = owners_.save(); !saved)
        log::error(saved.error());
    if (stays())
        spdlog::info("stopped; the ruleset, the filter and {} grants stay", grants_.book().pinholes());
    return end_of_trial();
}

void Daemon::fail(Error error) {
    if (!failure_)
        failure_ = std::move(error);
    loop_->stop();
}

Result<Received> Daemon::wait_for(Type type) {
    const BootTime deadline = BootClock::now() + kWorkerPatience;
    while (BootClock::now() < deadline) {
        auto received = worker().receive(false);
        if (!received)
            return received.error();
        if (worker().closed())
            return worker_error("ended");
        // What the loop would do; else pinholes that wait for a common transaction would wait for us.
        if (const Now now = Now::read(); grants_.any_waiting() && now.boot >= grants_.due())
            grants_.settle(now);
        if (!*received) {
            pollfd ready{worker().fd(), POLLIN, 0};
            ::poll(&ready, 1, grants_.any_waiting() ? 10 : 100);
            continue;
        }
        const bool wanted = type_of(**received) == type;
        if (!wanted || type == Type::tags)
            if (auto done = handle(**received); !done)
                return done.error();
        if (wanted)
            return **std::move(received);
    }
    return worker_error("does not answer");
}

void Daemon::on_worker() {
    // What is there, for a while; each is answered before the next one is read.
    for (const BootTime end = BootClock::now() + kWorkerTurn; BootClock::now() < end;) {
        auto received = worker().receive(false);
        if (!received)
            return fail(received.error());
        if (worker().closed())
            return fail(worker_error("ended"));
        if (!*received)
            return;
        if (auto done = handle(**received); !done)
            return fail(done.error());
    }
}

Result<void> Daemon::handle(const Received& received) {
    const Type type = type_of(received);
    Budget& budget = type == Type::request_grant ? asks_ : type == Type::notice ? notices_ : others_;
    if (!budget.take(BootClock::now()))
        return worker_error("says more than it can have to say");
    if (received.fds.empty()) {
        if (const auto tags = as<Tags>(received))
            return handle_tags(*tags);
        if (const auto ask = as<RequestGrant>(received))
            return handle_request_grant(*ask);
        if (const auto notice = as<Notice>(received))
            return handle_notice(*notice);
        if (const auto pong = as<Pong>(received); pong && pong->number == pong_ + 1 && pong->number <= ping_) {
            pong_ = pong->number; // each is answered once, in order
            return {};
        }
        if (as<SecretsRead>(received)) // nobody waits for it any more
            return {};
    }
    return worker_error("said something that makes no sense");
}

Result<void> Daemon::handle_tags(const Tags& message) {
    if (message.count > kTagsInMessage || message.first > 1 || message.last > 1)
        return worker_error("said something that makes no sense");
    if (message.generation != generation_)
        return {}; // sent before it heard of the reload; all tags of the new configuration follow
    worker_follows_ = true;
    if (message.first == 1) {
        tags_.begin_replacement();
        replacing_tags_ = true;
    }
    std::vector<xdp::PublishedTag> tags;
    for (std::uint32_t i = 0; i < message.count; ++i) {
        const TagRecord& record = message.tags[i];
        if (record.credential >= config().policy.credentials.size())
            return worker_error("published a tag of no credential");
        tags.push_back({record.tag, record.mac_key, record.slot, record.credential,
                        BootTime(std::chrono::nanoseconds(record.not_before)),
                        BootTime(std::chrono::nanoseconds(record.expires))});
    }
    auto added = tags_.add(tags);
    for (xdp::PublishedTag& tag : tags)
        ::explicit_bzero(&tag, sizeof tag);
    if (!added)
        return added;
    if (message.last == 1 && replacing_tags_) {
        tags_.end_replacement();
        replacing_tags_ = false;
        first_tags_ = true;
    }
    return {};
}

Result<void> Daemon::handle_request_grant(const RequestGrant& message) {
    const auto asked = checked(message);
    if (!asked)
        return worker_error("asked for something that makes no sense");
    const Now now = Now::read();
    const auto index = config().policy.find_credential(message.credential);
    authz::GrantRequest request = asked->request;
    request.credential = static_cast<std::uint32_t>(index.value_or(UINT32_MAX));
    Grants::Done done;
    switch (asked->verb) {
    case GrantVerb::open:
        if (parts_.panic.is_on())
            done.answer = Answer::panic; // judged before the worker heard of it
        else
            done = grants_.open(request, bans_.list(), own_addresses(), now);
        break;
    case GrantVerb::close:
        done = grants_.close(request, now);
        break;
    case GrantVerb::close_all:
        done = grants_.close_all(request.credential, now);
        break;
    }
    ReplyGrant reply;
    reply.sequence = message.sequence;
    reply.answer = done.answer;
    auto sent = send(worker(), reply);
    if (done.answer == Answer::waiting)
        settle_later(message.sequence);
    after_changes(now);
    save_state_lazily(now);

    const std::string who = index ? config().policy.credentials[*index].label() : "an unknown credential";
    const std::string where = request.address.text();
    std::string texts;
    for (const authz::Pinhole& pinhole : done.pinholes)
        texts += (texts.empty() ? "" : ", ") + grants_.text_of(pinhole);
    if (done.answer == Answer::done || done.answer == Answer::waiting) {
        if (!grant_log_.allow(0, request.address, now.boot))
            return sent;
        if (asked->verb == GrantVerb::open)
            spdlog::info("{} {} {} from {} ({}) for {}", parts_.dry_run ? "would grant" : "granted", who, done.service,
                         where, texts, until_text(now, done.lifetime));
        else if (asked->verb == GrantVerb::close)
            spdlog::info("{} {} {} from {} by {}", parts_.dry_run ? "would close" : "closed", done.service, texts,
                         where, who);
        else
            spdlog::info("{} all grants of {}: {}", parts_.dry_run ? "would close" : "closed", who,
                         done.pinholes.size());
    } else if (done.answer == Answer::refused && message.generation != generation_ && !worker_follows_) {
        if (refusal_log_.allow(kReloaded, request.address, now.boot))
            spdlog::warn("refused {} from {}: the configuration that was loaded meanwhile does not allow it", who,
                         where);
    } else if (done.answer == Answer::refused || done.answer == Answer::failed) {
        // The judge should have refused it: this is a worker that is not ours any more.
        if (refusal_log_.allow(static_cast<unsigned>(done.answer), request.address, now.boot))
            spdlog::error("{}: {} from {}{}",
                          done.answer == Answer::failed ? "a grant could not be opened or closed"
                                                        : "the worker asked for a grant that is not allowed",
                          who, where, done.error ? ": " + done.error->message : "");
    }
    return sent;
}

void Daemon::settle_later(std::uint32_t sequence) {
    undone_.push_back(sequence);
    const auto due = grants_.due().time_since_epoch();
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(due);
    const itimerspec once{{}, {seconds.count(), (due - seconds).count()}};
    ::timerfd_settime(settle_.get(), TFD_TIMER_ABSTIME, &once, nullptr);
}

void Daemon::on_settle() {
    std::uint64_t count;
    (void)!::read(settle_.get(), &count, sizeof count);
    grants_.settle(Now::read());
}

Result<void> Daemon::handle_notice(const Notice& message) {
    const auto kind = checked(message);
    if (!kind)
        return worker_error("said something that makes no sense");
    switch (*kind) {
    case NoticeKind::clock_wrong:
        clock_is_wrong_ = true;
        spdlog::error("the wall clock is wrong: it is behind knocks that were accepted, or behind this release; no "
                      "knock is let in until it is right, or until \"knockctl clock accept\"");
        break;
    case NoticeKind::clock_right:
        clock_is_wrong_ = false;
        spdlog::info("the wall clock is right again");
        break;
    case NoticeKind::locked_for_good:
        if (const auto index = config().policy.find_credential(message.credential)) // a reload may have removed it
            spdlog::error("{} had too many wrong codes and is locked until \"knockctl unlock\"",
                          config().policy.credentials[*index].label());
        break;
    }
    return {};
}

void Daemon::after_changes(const Now& now) { grant_events_.report(config().policy, now); }

void Daemon::on_hooks() {
    const int fd = hook_calls_.fd();
    if (!hook_calls_.receive())
        loop_->forget(fd);
}

void Daemon::on_signal() {
    signalfd_siginfo info{};
    while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
            return loop_->stop();
        if (info.ssi_signo == SIGHUP) {
            if (auto done = reload(); !done)
                log::error(done.error());
            continue;
        }
        hook_calls_.on_child();
        int status = 0;
        if (::waitpid(parts_.worker.pid, &status, WNOHANG) == parts_.worker.pid)
            return fail(worker_error(WIFSIGNALED(status) ? "was ended by signal " + std::to_string(WTERMSIG(status))
                                                         : "ended with code " + std::to_string(WEXITSTATUS(status))));
    }
}

void Daemon::on_control() {
    control_->accept([this](int fd) { watch_client(fd); });
}

void Daemon::watch_client(int fd) {
    (void)loop_->watch(fd, [this, fd](std::uint32_t) {
        if (!control_->serve(fd)) {
            loop_->forget(fd);
            return control_->admit([this](int next) { watch_client(next); });
        }
        // One or the other: input that nobody reads would wake us for ever.
        loop_->change(fd, control_->wants_write(fd) ? EPOLLOUT : EPOLLIN);
    });
}

void Daemon::on_tick() {
    std::uint64_t count;
    (void)!::read(ticks_.get(), &count, sizeof count);
    const Now now = Now::read();
    // A panic outlasts a trial: the ports must not open while it lasts.
    if (parts_.trial.is_over(now.boot) && !parts_.panic.is_on())
        return loop_->stop();
    notice_sleep(now);
    notice_generation();
    grants_.expire(now.boot);
    if (auto done = grants_.end_barred(now); !done)
        log::error(done.error());
    after_changes(now);
    syn_drop_.on_tick(now.boot);
    look_after_sessions(now); // before bans are over: a short one ends sessions too
    look_after_panic();
    bans_.expire(now);
    hook_calls_.on_tick(now.boot);
    tags_.expire(now.boot);
    if (std::exchange(ruleset_unknown_, false)) {
        repair({.objects = false, .elements = false, .lost = true, .by = {}});
        // What did not fit this time was our own; what somebody else did meanwhile is seen to.
        const auto more = parts_.ruleset.update();
        if (more && *more && ((*more)->objects || (*more)->elements))
            repair(**more);
    }
    look_after_interfaces();
    control_->drop_idle(now.boot);
    control_->admit([this](int fd) { watch_client(fd); });
    save_state_lazily(now);

    if (const auto suppressed = grant_log_.take_suppressed(now.boot); suppressed > 0)
        spdlog::warn("{} more grants were opened or closed than logged", suppressed);

    // In ticks: time passes while the machine sleeps, and they do not.
    const std::uint32_t unanswered = ping_ - pong_;
    if (unanswered > kWorkerPatience / kTick)
        return fail(worker_error("does not answer"));
    Ping ping;
    ping.number = ++ping_;
    if (auto sent = send(worker(), ping); !sent)
        return fail(sent.error());
    // systemd's watchdog is fed only while the worker answers.
    if (unanswered < 3)
        notify("WATCHDOG=1");
}

} // namespace xk
