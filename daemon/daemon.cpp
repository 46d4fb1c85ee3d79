// SPDX-License-Identifier: MIT
#include "daemon/daemon.h"

#include "daemon/control_verbs.h"
#include "daemon/log.h"
#include "daemon/nft/fence.h"
#include "daemon/notify.h"
#include "protocol/base/duration.h"
#include "protocol/base/quote.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

namespace xk {
namespace {

using namespace privsep;
using gate::Answer;

constexpr std::chrono::seconds kWorkerPatience{10}; // for an answer of the worker
constexpr std::chrono::seconds kTick{1};
constexpr std::chrono::seconds kSaveInterval{10};

Error worker_error(const std::string& what) {
    return Error{"xknock-worker " + what, "its own last words are above this line", Exit::failed};
}

// A memory file that nobody can change any more.
Result<Fd> sealed_copy(const gate::Policy& policy) {
    Fd fd(::memfd_create("xknock-policy", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!fd)
        return os_error("making a memory file");
    const auto write_all = [&](const void* from, std::size_t size) {
        for (const auto* at = static_cast<const char*>(from); size > 0;) {
            const ssize_t n = ::write(fd.get(), at, size);
            if (n < 0 && errno != EINTR)
                return false;
            if (n > 0) {
                at += n;
                size -= static_cast<std::size_t>(n);
            }
        }
        return true;
    };
    if (!write_all(policy.services.data(), policy.services.size() * sizeof(gate::Service)) ||
        !write_all(policy.credentials.data(), policy.credentials.size() * sizeof(gate::Credential)) ||
        ::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0 ||
        ::lseek(fd.get(), 0, SEEK_SET) != 0)
        return os_error("writing a memory file");
    return fd;
}

std::string until_text(const Now& now, std::chrono::seconds lifetime) {
    return duration_text(lifetime) + ", until " + log::utc(now.wall + lifetime);
}

// How long the machine was asleep in this boot.
std::chrono::nanoseconds time_slept() {
    timespec awake{};
    ::clock_gettime(CLOCK_MONOTONIC, &awake);
    return BootClock::now().time_since_epoch() - std::chrono::seconds(awake.tv_sec) -
           std::chrono::nanoseconds(awake.tv_nsec);
}

std::string text_of(const std::vector<gate::Door>& doors) {
    std::string text;
    for (const gate::Door& door : doors)
        text += (text.empty() ? "" : ", ") + door.endpoint.text();
    return text;
}

} // namespace

Daemon::Daemon(Parts parts)
    : parts_(std::move(parts)), doors_(parts_.nft, *parts_.config),
      banning_(parts_.nft, *parts_.filter, doors_, *parts_.config), tags_(*parts_.filter),
      started_(BootClock::now()) {}

Daemon::~Daemon() = default;

std::set<Address> Daemon::own_addresses() const {
    return config().local_addresses ? *config().local_addresses : parts_.own_addresses.all();
}

// Start-up

Result<void> Daemon::begin() {
    auto there = nft::fence_exists(parts_.nft);
    if (!there)
        return there.error();
    fence_was_there_ = *there;
    auto done = put_up();
    if (done)
        done = watch_everything();
    if (!done)
        take_down();
    return done;
}

Result<void> Daemon::put_up() {
    const Now now = Now::read();
    // Before anything is accepted in this boot, the copy must stop to say that nothing was.
    if (auto done = parts_.state_files.revoke(now, [](const std::string& note) { spdlog::error("{}", note); }); !done)
        return done;
    if (auto done = hand_over(config(), generation_); !done)
        return done;
    if (auto done = doors_.adopt(now); !done)
        return done;
    if (auto done = banning_.adopt(now); !done)
        return done;
    if (auto done = doors_.reconfigure(config()); !done)
        return done;
    if (auto done = write_disabled(config()); !done)
        return done;
    if (auto done = xdp::set_local_addresses(*parts_.filter, own_addresses()); !done)
        return done;
    if (auto done = install_fence(config()); !done)
        return done;
    if (auto done = banning_.install(now); !done)
        return done;
    banning_.reconfigure(config(), worker());
    if (auto done = banning_.tell(worker()); !done)
        return done;
    if (auto done = send(worker(), Activate{}); !done)
        return done;
    while (!first_tags_) {
        auto received = wait_for(Type::tags);
        if (!received)
            return received.error();
    }
    return attach(*parts_.filter, config());
}

void Daemon::take_down() {
    // Only what this start brought: the fence and the pins of a daemon before us go on guarding.
    if (!fence_was_there_ && config().gate_mode == config::GateMode::table)
        (void)nft::remove_fence(parts_.nft);
    if (!parts_.links_were_there)
        xdp::Filter::remove_pins(config().pin_directory);
}

Result<void> Daemon::hand_over(const config::Config& config, std::uint32_t generation) {
    NewPolicy policy;
    policy.generation = generation;
    policy.services = static_cast<std::uint32_t>(config.policy.services.size());
    policy.credentials = static_cast<std::uint32_t>(config.policy.credentials.size());
    policy.settings = config.policy.settings;
    auto file = sealed_copy(config.policy);
    if (!file)
        return file.error();
    const int policy_fd = file->get();
    if (auto sent = send(worker(), policy, {&policy_fd, 1}); !sent)
        return sent;
    for (std::uint32_t i = 0; i < policy.credentials; ++i) {
        auto files = config::open_secrets(config, i);
        if (!files)
            return files.error();
        std::vector<int> fds;
        for (const Fd& fd : *files)
            fds.push_back(fd.get());
        Secrets message;
        message.credential = i;
        if (auto sent = send(worker(), message, fds); !sent)
            return sent;
    }
    if (auto sent = send(worker(), Prepare{}); !sent)
        return sent;
    auto received = wait_for(Type::prepared);
    if (!received)
        return received.error();
    const auto prepared = as<Prepared>(*received);
    if (!prepared || prepared->credential >= std::max<std::size_t>(1, config.secrets.size()))
        return worker_error("said something that makes no sense");
    if (prepared->unlocked_memory)
        spdlog::warn("the worker's keys could not be locked in memory: raise LimitMEMLOCK");
    if (prepared->fault == SecretFault::none)
        return {};
    const config::SecretFiles& bad = config.secrets[prepared->credential];
    if (prepared->fault == SecretFault::key)
        return Error{bad.key + ": is not a key: 44 characters of base64 are expected",
                     "\"knockctl keygen\" makes a new one", Exit::configuration};
    return Error{bad.factor + ": is not a second factor's secret: base32 of 20 to 64 bytes (totp) or base64 of 32 "
                              "bytes (hmac) is expected",
                 "\"knockctl keygen\" makes a new one", Exit::configuration};
}

Result<void> Daemon::install_fence(const config::Config& config,
                                   const std::function<void(nft::Transaction&)>& more) {
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
    nft::FenceSpec spec;
    spec.protect = config.protected_endpoints();
    spec.allow = config.allow;
    if (!config.answer_as_closed)
        spec.silent_port = config.port;
    spec.owned = parts_.owned;
    return nft::install_fence(parts_.nft, spec, more);
}

Result<void> Daemon::write_disabled(const config::Config& config) {
    std::vector<bool> disabled;
    for (const gate::Credential& credential : config.policy.credentials)
        disabled.push_back(!credential.enabled);
    return xdp::set_disabled(*parts_.filter, disabled);
}

Result<void> Daemon::attach(xdp::Filter& filter, const config::Config& config) {
    std::vector<xdp::Attachment> attachments;
    for (const std::string& interface : config.interfaces) {
        auto attached = filter.attach(interface, config.allow_generic);
        if (!attached)
            return attached.error();
        attachments.push_back(*attached);
        if (attached->mode == xdp::Mode::generic)
            spdlog::warn("{}: its driver has no native XDP; in generic mode every packet is copied into one piece "
                         "first, which slows down all large traffic of this interface",
                         interface);
    }
    attachments_ = attachments;
    filter.detach_others(config.interfaces);
    return {};
}

// Serving

Result<void> Daemon::watch_everything() {
    auto loop = Loop::make();
    if (!loop)
        return loop.error();
    loop_.emplace(*std::move(loop));
    auto control = control::Server::open(
        config().run_directory + "/control.sock", {config().admin_group, config().read_group},
        [this](control::Role role, const std::string& request) { return answer(*this, role, request); });
    if (!control)
        return control.error();
    control_.emplace(*std::move(control));

    sigset_t handled;
    ::sigemptyset(&handled);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGCHLD})
        ::sigaddset(&handled, signal);
    ::sigprocmask(SIG_BLOCK, &handled, nullptr);
    signals_.reset(::signalfd(-1, &handled, SFD_CLOEXEC | SFD_NONBLOCK));
    ticks_.reset(::timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK));
    const timespec second{kTick.count(), 0};
    const itimerspec every{second, second};
    if (!signals_ || !ticks_ || ::timerfd_settime(ticks_.get(), 0, &every, nullptr) != 0)
        return os_error("setting up signals and timers");

    const std::pair<int, void (Daemon::*)()> sources[] = {
        {worker().fd(), &Daemon::on_worker},
        {signals_.get(), &Daemon::on_signal},
        {parts_.own_addresses.poll_fd(), &Daemon::on_addresses},
        {parts_.ruleset.poll_fd(), &Daemon::on_ruleset},
        {control_->listen_fd(), &Daemon::on_control},
        {ticks_.get(), &Daemon::on_tick}};
    for (const auto& [fd, reaction] : sources)
        if (auto done = loop_->watch(fd, [this, react = reaction](std::uint32_t) { (this->*react)(); }); !done)
            return done;
    last_save_ = BootClock::now();
    slept_ = time_slept();
    return {};
}

Result<void> Daemon::run() {
    std::string interfaces;
    for (const xdp::Attachment& a : attachments_)
        interfaces += (interfaces.empty() ? "" : ", ") + a.interface +
                      " (" + std::string(xdp::name_of(a.mode)) + ")";
    spdlog::info("ready: {} credentials, knock port {}, interfaces {}, {} grants, {} bans",
                 config().policy.credentials.size(), config().port, interfaces, doors_.book().doors(),
                 banning_.list().all().size());
    // Kept by systemd, so that the table has its owner also while nobody of us lives.
    if (parts_.owned)
        notify("FDSTORE=1\nFDNAME=nft\nFDPOLL=0", parts_.nft.fd());
    notify("READY=1\nSTATUS=judging knocks on " + interfaces);
    auto ended = loop_->run();
    notify("STOPPING=1");
    if (failure_)
        return *failure_;
    if (!ended)
        return ended;

    // The worker first, so that nothing is accepted after the copy was written.
    parts_.worker.channel.release();
    int status = 0;
    for (int i = 0; i < 300 && ::waitpid(parts_.worker.pid, &status, WNOHANG) == 0; ++i)
        ::poll(nullptr, 0, 10);
    if (auto saved = parts_.state_files.save(Now::read(), true, true); !saved)
        log::error(saved.error());
    spdlog::info("stopped; the fence, the filter and {} grants stay", doors_.book().doors());
    return {};
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
        if (!*received) {
            pollfd ready{worker().fd(), POLLIN, 0};
            ::poll(&ready, 1, 100);
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
    // As many messages as are there; each is answered before the next one is read.
    for (;;) {
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
    if (received.fds.empty()) {
        if (const auto tags = as<Tags>(received))
            return handle_tags(*tags);
        if (const auto ask = as<DoorAsk>(received))
            return handle_door_ask(*ask);
        if (const auto notice = as<Notice>(received)) {
            handle_notice(*notice);
            return {};
        }
        if (const auto pong = as<Pong>(received)) {
            if (pong->number <= ping_)
                pong_ = std::max(pong_, pong->number);
            return {};
        }
    }
    return worker_error("said something that makes no sense");
}

Result<void> Daemon::handle_tags(const Tags& message) {
    if (message.count > kTagsInMessage)
        return worker_error("said something that makes no sense");
    if (message.generation != generation_)
        return {}; // sent before it heard of the reload; all tags of the new configuration follow
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

Result<void> Daemon::handle_door_ask(const DoorAsk& message) {
    const Now now = Now::read();
    const auto index = config().policy.find_credential(message.credential);
    gate::DoorRequest request = message.request;
    request.credential = static_cast<std::uint32_t>(index.value_or(UINT32_MAX));
    Doors::Done done;
    switch (message.verb) {
    case DoorVerb::open:
        done = doors_.open(request, banning_.list(), own_addresses(), now);
        break;
    case DoorVerb::close:
        done = doors_.close(request, now);
        break;
    case DoorVerb::close_all:
        done = doors_.close_all(request.credential, now);
        break;
    default:
        return worker_error("asked for something that makes no sense");
    }
    DoorAnswer reply;
    reply.sequence = message.sequence;
    reply.answer = done.answer;
    auto sent = send(worker(), reply);
    save_state_lazily(now);

    const std::string who = index ? config().policy.credentials[*index].label() : "an unknown credential";
    const std::string where = request.address.text();
    if (done.answer == Answer::done) {
        if (!door_log_.allow(0, request.address, now.boot))
            return sent;
        if (message.verb == DoorVerb::open)
            spdlog::info("granted {} {} from {} ({}) for {}", who, done.service, where, text_of(done.doors),
                         until_text(now, done.lifetime));
        else if (message.verb == DoorVerb::close)
            spdlog::info("closed {} {} from {} by {}", done.service, text_of(done.doors), where, who);
        else
            spdlog::info("closed all doors of {}: {}", who, done.doors.size());
    } else if (done.answer == Answer::refused || done.answer == Answer::failed) {
        // The judge should have refused it: a reload in between, or a worker that is not ours any more.
        if (refusal_log_.allow(static_cast<unsigned>(done.answer), request.address, now.boot))
            spdlog::error("{}: {} from {}{}",
                          done.answer == Answer::failed ? "a door could not be opened or closed"
                                                        : "the worker asked for a door that is not allowed",
                          who, where, done.error ? ": " + done.error->message : "");
    }
    return sent;
}

void Daemon::handle_notice(const Notice& message) {
    switch (message.kind) {
    case NoticeKind::clock_wrong:
        clock_is_wrong_ = true;
        spdlog::error("the wall clock is wrong: it is behind knocks that were accepted, or behind this release; no "
                      "knock is let in until it is right, or until \"knockctl clock accept\"");
        return;
    case NoticeKind::clock_right:
        clock_is_wrong_ = false;
        spdlog::info("the wall clock is right again");
        return;
    case NoticeKind::locked_for_good:
        if (message.credential < config().policy.credentials.size())
            spdlog::error("{} had too many wrong codes and is locked until \"knockctl unlock\"",
                          config().policy.credentials[message.credential].label());
        return;
    }
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
        int status = 0;
        if (::waitpid(parts_.worker.pid, &status, WNOHANG) == parts_.worker.pid)
            return fail(worker_error(WIFSIGNALED(status)
                                         ? "was ended by signal " + std::to_string(WTERMSIG(status))
                                         : "ended with code " + std::to_string(WEXITSTATUS(status))));
    }
}

void Daemon::on_addresses() {
    auto changed = parts_.own_addresses.update();
    if (!changed)
        return fail(changed.error());
    if (!*changed)
        return;
    if (auto done = xdp::set_local_addresses(filter(), own_addresses()); !done)
        log::error(done.error());
}

void Daemon::on_ruleset() {
    auto change = parts_.ruleset.update();
    if (!change)
        return fail(change.error());
    if (!*change)
        return;
    if ((*change)->objects || (*change)->elements)
        return repair(**change);
    ruleset_unknown_ = true; // on the next tick: our own large transactions can be what did not fit
}

void Daemon::repair(const nft::Change& change) {
    const Now now = Now::read();
    Result<void> done;
    // Single elements that somebody took away are doors that he closed; sets that are gone are not.
    if (change.elements && !change.objects && !change.lost)
        if (auto gone = doors_.forget_missing(); !gone)
            done = gone.error();
    if (done)
        done = install_fence(config(), [&](nft::Transaction& transaction) {
            doors_.write(transaction, now);
            banning_.write(transaction, now);
        });
    const std::string table = config().gate_mode == config::GateMode::table ? nft::kTable : config().external.table;
    const std::string what =
        "table inet " + table + " was changed by " + (change.by.empty() ? "somebody" : change.by);
    if (!done) {
        ruleset_unknown_ = true; // again on the next tick, until it is done
        if (!std::exchange(unrepaired_, true))
            log::error(std::move(done).error().within(what + " and cannot be repaired"));
        return;
    }
    if (std::exchange(unrepaired_, false) || !change.lost)
        spdlog::warn("{}; it is as it was again, with {} grants and {} bans", what, doors_.book().doors(),
                     banning_.list().all().size());
}

// A filter that was detached, or whose interface went and came back under its name, hears no knock any more.
void Daemon::look_after_links() {
    for (xdp::Attachment& a : attachments_) {
        if (filter().is_attached(a))
            continue;
        auto again = filter().attach(a.interface, config().allow_generic);
        if (again) {
            spdlog::warn("{}: the filter was not attached any more and is again", a.interface);
            a = *again;
        } else if (std::exchange(a.mode, xdp::Mode::none) != xdp::Mode::none) {
            log::error(std::move(again).error().within(a.interface + ": the filter is not attached any more, and knocks are not heard there"));
        }
    }
}

void Daemon::on_control() {
    control_->accept([this](int fd) { watch_client(fd); });
}

void Daemon::watch_client(int fd) {
    (void)loop_->watch(fd, [this, fd](std::uint32_t) {
        if (!control_->serve(fd))
            return loop_->forget(fd);
        // One or the other: input that nobody reads would wake us for ever.
        loop_->change(fd, control_->wants_write(fd) ? EPOLLOUT : EPOLLIN);
    });
}

void Daemon::on_tick() {
    std::uint64_t count;
    (void)!::read(ticks_.get(), &count, sizeof count);
    const Now now = Now::read();
    if (const auto slept = time_slept(); slept - slept_ > kTick) {
        slept_ = slept;
        after_sleep(now);
    }
    doors_.expire(now.boot);
    banning_.expire(now, worker());
    tags_.expire(now.boot);
    if (std::exchange(ruleset_unknown_, false)) {
        repair({.objects = false, .elements = false, .lost = true, .by = {}});
        // What did not fit this time was our own; what somebody else did meanwhile is seen to.
        const auto more = parts_.ruleset.update();
        if (more && *more && ((*more)->objects || (*more)->elements))
            repair(**more);
    }
    look_after_links();
    control_->drop_idle(now.boot);
    save_state_lazily(now);

    if (const auto suppressed = door_log_.take_suppressed(now.boot); suppressed > 0)
        spdlog::warn("{} more doors were opened or closed than logged", suppressed);

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

void Daemon::after_sleep(const Now& now) {
    spdlog::info("the machine slept; grants and bans get the time that is left of them");
    if (auto done = doors_.restore(now); !done)
        log::error(done.error());
    banning_.expire(now, worker());
    if (auto done = banning_.install(now); !done)
        log::error(done.error());
}

void Daemon::save_state_lazily(const Now& now) {
    // A slot in which the first knock was accepted goes to the disk at once: after a power cut the fence stands at its
    // end, however far behind the wall clock comes back.
    const std::uint64_t slot = state().header.high_slot;
    if (slot > saved_slot_) {
        saved_slot_ = slot;
        last_save_ = now.boot;
        if (auto saved = parts_.state_files.save(now, false, true); !saved)
            spdlog::error("{}", saved.error().message);
        return;
    }
    if (now.boot - last_save_ < kSaveInterval)
        return;
    last_save_ = now.boot;
    // Only when something was judged since: reading a few counters tells.
    const gate::StateHeader& header = state().header;
    std::uint64_t digest = header.retries + header.high_slot;
    for (const auto n : header.accepted)
        digest = digest * 31 + n;
    for (const auto n : header.rejects)
        digest = digest * 31 + n;
    if (digest == saved_digest_)
        return;
    saved_digest_ = digest;
    if (auto saved = parts_.state_files.save(now, false, false); !saved)
        spdlog::error("{}", saved.error().message);
}

// Reload

Result<std::unique_ptr<xdp::Filter>> Daemon::load_filter(const config::Config& config) {
    xdp::FilterSettings settings;
    settings.knock_port = config.port;
    settings.answer_as_closed = config.answer_as_closed;
    settings.answers_per_second = config.answers_per_second;
    auto filter = xdp::Filter::load(settings, config.pin_directory,
                                    [](const std::string& note) { spdlog::warn("{}", note); });
    if (!filter)
        return filter.error();
    return std::make_unique<xdp::Filter>(*std::move(filter));
}

Result<void> Daemon::reload() {
    notify("RELOADING=1");
    struct Again {
        ~Again() { notify("READY=1"); }
    } again;
    auto loaded = config::load_config(config().file);
    if (!loaded)
        return loaded.error();
    auto next = std::make_unique<config::Config>(*std::move(loaded));
    const config::Config& old = config();
    if (next->account.uid != old.account.uid || next->worker_account.uid != old.worker_account.uid ||
        next->run_directory != old.run_directory || next->state_directory != old.state_directory ||
        next->pin_directory != old.pin_directory || next->gate_mode != old.gate_mode ||
        next->gate_owned != old.gate_owned ||
        next->external.table != old.external.table || next->external.set4 != old.external.set4 ||
        next->external.set6 != old.external.set6 ||
        next->policy.settings.server != old.policy.settings.server)
        return Error{"process, paths, gate mode, gate.owned, external and server_id take effect with a restart only",
                     "systemctl restart xknockd", Exit::configuration};

    // Everything that can fail, before anything counts. The worker reads the new keys but judges by the old ones.
    if (auto done = hand_over(*next, generation_ + 1); !done)
        return done;
    auto filter = load_filter(*next);
    if (!filter)
        return filter.error();
    banning_.use(**filter);
    const auto back = [&](Error error) {
        banning_.use(*parts_.filter);
        if (auto done = attach(*parts_.filter, old); !done)
            log::error(done.error());
        return error;
    };
    if (auto done = attach(**filter, *next); !done)
        return back(done.error());
    if (auto done = install_fence(*next); !done)
        return back(done.error());

    // From here on the new configuration counts.
    std::swap(parts_.config, next); // `next` is now the old one, until the end of this function
    std::swap(parts_.filter, *filter);
    ++generation_;
    tags_.use(*parts_.filter);
    banning_.reconfigure(config(), worker());
    if (auto done = doors_.reconfigure(config()); !done)
        log::error(done.error());
    if (auto done = write_disabled(config()); !done)
        log::error(done.error());
    if (auto done = xdp::set_local_addresses(*parts_.filter, own_addresses()); !done)
        log::error(done.error());
    control_->set_groups({config().admin_group, config().read_group});
    if (auto sent = send(worker(), Activate{}); !sent)
        return sent;
    for (const std::string& warning : config().warnings)
        spdlog::warn("{}", warning);
    spdlog::info("reloaded {}: {} credentials", config().file, config().policy.credentials.size());
    return {};
}

} // namespace xk
