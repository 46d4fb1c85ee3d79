// SPDX-License-Identifier: MIT
#include "daemon/worker/worker.h"

#include "daemon/authz/state_read.h"
#include "daemon/legacy/libcrypto.h"
#include "daemon/log.h"
#include "daemon/privsep/sandbox.h"
#include "protocol/base/quote.h"

#include <fcntl.h>
#include <liboath/oath.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cstring>
#include <ctime>

namespace xk::worker {

using namespace privsep;

namespace {

// Records judged between two looks at the channel. In a flood the worker would otherwise miss pings, and xknockd would
// take it for dead.
constexpr unsigned kTurn = 32;
// Deferred messages: one of a hand-over, one ping a second, and one for each device that an operator unlocks. 10 MB.
constexpr std::size_t kMostWaiting = 65536;

Result<std::string> read_copy(const Fd& fd) {
    std::string copy;
    char chunk[64 * 1024];
    for (ssize_t n; (n = ::read(fd.get(), chunk, sizeof chunk)) != 0;) {
        if (n < 0 && errno != EINTR)
            return os_error("reading the copy of the state");
        if (n > 0)
            copy.append(chunk, static_cast<std::size_t>(n));
        if (copy.size() > authz::state_size(authz::kMostReplayEntries) + 4096)
            return Error{"the copy of the state is too large", {}};
    }
    return copy;
}

// Maps the whole file for the life of the process. Its pages are the file's, so they cost nothing once they are read.
Result<ByteView> map_file(const Fd& fd) {
    struct stat st {};
    if (::fstat(fd.get(), &st) != 0)
        return os_error("reading the size of the earlier state");
    const auto size = static_cast<std::size_t>(st.st_size);
    void* const memory = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.get(), 0);
    if (memory == MAP_FAILED)
        return os_error("mapping the earlier state");
    return ByteView(static_cast<const std::uint8_t*>(memory), size);
}

// Judgement continues from the state of this boot, if there is one; else from a state file of another layout, or from
// the copy of an earlier boot.
Ready begin_state(authz::State& state, const Setup& setup, ByteView copy, ByteView previous) {
    Ready ready;
    ready.begin = kResumed;
    if (state.is_of(setup.boot_id))
        return ready;
    authz::StateContents contents;
    const authz::StateFit fit = setup.has_previous != 0 ? authz::read_memory(previous, setup.boot_id, contents)
                                                        : authz::read_copy(copy, contents);
    const bool whole = fit == authz::StateFit::whole;
    ready.fit = static_cast<std::uint32_t>(fit);
    if (setup.has_previous != 0)
        ready.begin = whole && state.take_over(contents) ? kTakenOver : kUnreadable;
    else if (whole || fit == authz::StateFit::empty)
        ready.begin = static_cast<std::uint32_t>(state.begin_boot(
            setup.boot_id, Now::read(), std::chrono::seconds(setup.skew), whole ? &contents : nullptr));
    else
        ready.begin = kUnreadable;
    return ready;
}

// The lock marks the one worker that may use the state. xknockd looks for it before it starts another one.
Result<void> lock(const Fd& state) {
    struct flock whole {};
    whole.l_type = F_WRLCK;
    whole.l_whence = SEEK_SET;
    if (::fcntl(state.get(), F_SETLK, &whole) != 0)
        return os_error("another worker holds the state");
    return {};
}

} // namespace

Worker::Worker(Channel channel, xdp::Ring ring, Fd state_file, authz::State state, Fd timer)
    : channel_(std::move(channel)), ring_(std::move(ring)), state_file_(std::move(state_file)),
      state_(std::move(state)), timer_(std::move(timer)) {}

Result<std::unique_ptr<Worker>> Worker::begin(Channel channel) {
    auto received = channel.receive(true);
    if (!received)
        return received.error();
    if (!*received)
        return std::unique_ptr<Worker>();
    const auto setup = as<Setup>(**received);
    auto& fds = (**received).fds;
    if (Conversation(Side::worker).admit(**received, BootClock::now()) || setup->replay_entries < 1 ||
        setup->replay_entries > authz::kMostReplayEntries || setup->has_copy > 1 || setup->has_previous > 1 ||
        fds.size() != 2 + setup->has_copy + setup->has_previous)
        return Error{"the first message is not Setup", {}, Exit::bug};

    // The steps that need our initial rights come here, before the sandbox.
    auto ring = xdp::Ring::open(std::move(fds[0]));
    if (!ring)
        return ring.error();
    Fd state_file = std::move(fds[1]);
    if (auto locked = lock(state_file); !locked)
        return locked.error();
    const std::size_t size = authz::state_size(setup->replay_entries);
    void* const memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, state_file.get(), 0);
    if (memory == MAP_FAILED)
        return os_error("mapping the state");
    authz::State state({static_cast<std::uint8_t*>(memory), size});
    std::string copy;
    if (setup->has_copy) {
        auto read = read_copy(fds[2]);
        if (!read)
            return read.error();
        copy = *std::move(read);
    }
    ByteView previous;
    if (setup->has_previous) {
        auto mapped = map_file(fds.back());
        if (!mapped)
            return mapped.error();
        previous = *mapped;
    }
    Fd timer(::timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK));
    if (!timer)
        return os_error("making a timer");
    if (sodium_init() < 0 || oath_init() != OATH_OK)
        return Error{"libsodium or liboath does not start", {}};
    // Later it may not open anything.
    if (!legacy::load_algorithms())
        return Error{"libcrypto lacks the algorithms of old clients", {}};

    ::tzset(); // users' hours are in this host's time zone, whose file is out of reach in the sandbox
    if (auto done = enter_sandbox(setup->uid, setup->gid); !done)
        return done.error();

    const Ready ready =
        begin_state(state, *setup, {reinterpret_cast<const std::uint8_t*>(copy.data()), copy.size()}, previous);
    if (ready.begin == kUnreadable) { // xknockd logs which file it is, and a hint
        if (auto sent = send(channel, ready); !sent)
            return sent.error();
        return std::unique_ptr<Worker>();
    }
    std::unique_ptr<Worker> worker(
        new Worker(std::move(channel), *std::move(ring), std::move(state_file), std::move(state), std::move(timer)));
    worker->first_skew_ = std::chrono::seconds(setup->skew);
    worker->earliest_ = WallTime(std::chrono::microseconds(setup->earliest_wall));
    if (auto sent = send(worker->channel_, ready); !sent)
        return sent.error();
    return worker;
}

Result<void> Worker::wait_for_room() {
    for (;;) {
        pollfd both{channel_.fd(), POLLIN | POLLOUT, 0};
        if (::poll(&both, 1, -1) < 0 && errno != EINTR)
            return os_error("waiting for room");
        if ((both.revents & POLLOUT) != 0)
            return {};
        if (both.revents == 0)
            continue;
        auto received = channel_.receive(false);
        if (!received)
            return received.error();
        if (channel_.closed())
            ::_exit(0);
        if (*received)
            if (auto done = defer_message(**std::move(received)); !done)
                return done;
    }
}

Result<void> Worker::defer_message(Received received) {
    if (const Rule* rule = rule_of(type_of(received)); rule != nullptr && rule->at_once)
        return handle(std::move(received));
    if (waiting_.size() == kMostWaiting)
        return Error{"xknockd sends more messages than can wait", {}, Exit::bug};
    waiting_.push_back(std::move(received));
    return {};
}

Result<void> Worker::run() {
    for (;;) {
        while (!waiting_.empty()) {
            Received next = std::move(waiting_.front());
            waiting_.pop_front();
            if (auto done = handle(std::move(next)); !done)
                return done;
        }
        // Without a judge the records stay in the ring.
        pollfd fds[] = {
            {channel_.fd(), POLLIN, 0}, {timer_.get(), POLLIN, 0}, {judge_ ? ring_.poll_fd() : -1, POLLIN, 0}};
        if (::poll(fds, std::size(fds), -1) < 0 && errno != EINTR)
            return os_error("waiting");
        if (fds[0].revents != 0) {
            auto received = channel_.receive(false);
            if (!received)
                return received.error();
            if (channel_.closed())
                return {};
            if (*received)
                waiting_.push_back(**std::move(received));
        }
        if (fds[1].revents != 0) {
            std::uint64_t expirations;
            const ssize_t n = ::read(timer_.get(), &expirations, sizeof expirations);
            if (auto done = follow_clock(n < 0 && errno == ECANCELED); !done)
                return done;
        }
        if (fds[2].revents != 0)
            ring_.consume([this](const authz::Record& record) { judge(record); }, kTurn);
    }
}

constexpr Handler<Worker> Worker::kHandlers[] = {
    {Type::ban, &Worker::handle_ban},
    {Type::unban, &Worker::handle_unban},
    {Type::panic, &Worker::handle_panic},
    {Type::grant_committed, &Worker::handle_committed},
    {Type::new_policy, &Worker::handle_new_policy},
    {Type::secrets, &Worker::handle_secrets},
    {Type::activate, &Worker::handle_activate},
    {Type::unlock, &Worker::handle_unlock},
    {Type::accept_clock, &Worker::handle_accept_clock},
    {Type::raise_horizon, &Worker::handle_raise_horizon},
    {Type::ping, &Worker::handle_ping},
    {Type::reply_grant, &Worker::handle_reply},
};

Result<void> Worker::admit(const Received& received) {
    if (const auto fault = conversation_.admit(received, BootClock::now()))
        return Error{
            "a message from xknockd makes no sense here: " + text_of(*fault, type_of(received)), {}, Exit::bug};
    return {};
}

Result<void> Worker::handle(Received received) {
    static_assert(handles_all(Side::worker, kServing, kHandlers));
    if (auto fine = admit(received); !fine)
        return fine;
    for (const auto& handler : kHandlers)
        if (handler.type == type_of(received))
            return (this->*handler.handle)(received);
    return Error{"a message from xknockd has no handler", {}, Exit::bug};
}

Result<void> Worker::handle_ban(Received& received) {
    const auto ban = *as<privsep::Ban>(received);
    authz::Ban until;
    if (!ban.for_ever)
        until.until = BootTime(std::chrono::nanoseconds(ban.until));
    bans_.add(ban.prefix, until);
    return {};
}

Result<void> Worker::handle_unban(Received& received) {
    bans_.remove(as<Unban>(received)->prefix);
    return {};
}

Result<void> Worker::handle_panic(Received& received) {
    in_panic_ = as<privsep::Panic>(received)->on != 0;
    if (judge_)
        judge_->set_panic(in_panic_);
    return {};
}

Result<void> Worker::handle_committed(Received& received) {
    const auto done = *as<GrantCommitted>(received);
    if (const auto asked = undone_.extract(done.sequence))
        state_.end_asked(asked.mapped(), done.failed == 0);
    return {};
}

// A reload may have removed the credential meanwhile.
Result<void> Worker::handle_unlock(Received& received) {
    if (const auto place = judge_->policy().find_credential(as<Unlock>(received)->credential))
        judge_->unlock_credential(static_cast<std::uint32_t>(*place));
    return {};
}

Result<void> Worker::handle_accept_clock(Received&) {
    state_.accept_clock(Now::read(), skew());
    earliest_ = WallTime::min();
    return follow_clock(true);
}

Result<void> Worker::handle_raise_horizon(Received&) {
    state_.raise_horizon(Now::read(), skew());
    if (judge_)
        if (auto sent = publish_all_hellos(Now::read()); !sent)
            return sent;
    return send_message(HorizonRaised{});
}

Result<void> Worker::handle_ping(Received& received) {
    Pong pong;
    pong.number = as<Ping>(received)->number;
    if (judge_)
        end_overdue();
    log_suppressed();
    reports_.on_sign_of_reading();
    reports_.report_suppressed(BootClock::now());
    return send_message(pong);
}

// GrantRequests waits for every reply, so none arrives here.
Result<void> Worker::handle_reply(Received&) { return Error{"a reply from xknockd comes late", {}, Exit::bug}; }

} // namespace xk::worker
