// SPDX-License-Identifier: MIT
#include "daemon/monitor/monitor.h"

#include "daemon/events/from_worker.h"
#include "daemon/log.h"

#include <poll.h>
#include <sys/wait.h>

#include <utility>

namespace xk {

using namespace privsep;

namespace {

constexpr std::chrono::milliseconds kTurn{5};

} // namespace

constexpr Handler<Monitor> Monitor::kHandlers[] = {
    {Type::secrets_read, &Monitor::handle_secrets_read},
    {Type::horizon_raised, &Monitor::handle_horizon_raised},
    {Type::pong, &Monitor::handle_pong},
    {Type::tags, &Monitor::handle_tags},
    {Type::steps, &Monitor::handle_steps},
    {Type::hellos, &Monitor::handle_hellos},
    {Type::answer_hello, &Monitor::handle_answer_hello},
    {Type::request_grant, &Monitor::handle_request},
    {Type::notice, &Monitor::handle_notice},
    {Type::outcome, &Monitor::handle_outcome},
    {Type::suppressed, &Monitor::handle_suppressed},
};

Monitor::Monitor(Child worker, World world, Settings settings)
    : worker_(std::move(worker)), world_(world), settings_(settings), publication_(world.tags) {}

Result<void> Monitor::dispatch(Received& received) {
    static_assert(handles_all(Side::xknockd, kServing, kHandlers));
    const Type type = type_of(received);
    if (const auto fault = conversation_.admit(received, BootClock::now()))
        return *fault == Fault::too_many ? worker_error("says more than it can have to say: " + text_of(*fault, type))
                                         : worker_error("said something that makes no sense: " + text_of(*fault, type));
    for (const auto& handler : kHandlers)
        if (handler.type == type)
            return (this->*handler.handle)(received);
    return worker_error("said something that makes no sense");
}

Result<Received> Monitor::wait_for(Type type) {
    const BootTime deadline = BootClock::now() + settings_.patience;
    while (BootClock::now() < deadline) {
        auto received = worker_.channel.receive(false);
        if (!received)
            return received.error();
        if (worker_.channel.closed())
            return worker_error("ended");
        // The loop does not run meanwhile, so grants that wait for a common transaction are committed here. Otherwise
        // they would wait for the worker too.
        if (world_.grants.any_waiting())
            world_.grants.settle(Now::read());
        if (!*received) {
            pollfd ready{worker_.channel.fd(), POLLIN, 0};
            ::poll(&ready, 1, world_.grants.any_waiting() ? 10 : 100);
            continue;
        }
        if (auto done = dispatch(**received); !done)
            return done.error();
        if (type_of(**received) == type)
            return **std::move(received);
    }
    return worker_error("does not answer");
}

void Monitor::on_readable() {
    // Each message is answered before the next one is read.
    for (const BootTime end_of_turn = BootClock::now() + kTurn; !has_ended_ && BootClock::now() < end_of_turn;) {
        auto received = worker_.channel.receive(false);
        if (!received)
            return end(received.error());
        if (worker_.channel.closed())
            return end(worker_error("ended"));
        if (!*received)
            return;
        if (auto done = dispatch(**received); !done)
            return end(done.error());
    }
}

void Monitor::on_child() {
    int status = 0;
    if (worker_.pid <= 0 || ::waitpid(worker_.pid, &status, WNOHANG) != worker_.pid)
        return;
    end(worker_error(WIFSIGNALED(status) ? "was ended by signal " + std::to_string(WTERMSIG(status))
                                         : "ended with code " + std::to_string(WEXITSTATUS(status))));
}

void Monitor::end(Error error) {
    if (!std::exchange(has_ended_, true))
        world_.owner.on_worker_end(std::move(error));
}

bool Monitor::on_tick() {
    // Counts ticks, not time, because time also passes while the machine sleeps.
    const std::uint32_t unanswered = ping_ - pong_;
    if (unanswered > settings_.most_unanswered) {
        end(worker_error("does not answer"));
        return false;
    }
    Ping ping;
    ping.number = ++ping_;
    if (auto sent = send_message(ping); !sent) {
        end(sent.error());
        return false;
    }
    return unanswered < 3;
}

void Monitor::stop() {
    worker_.channel.release();
    int status = 0;
    for (int i = 0; i < 300 && worker_.pid > 0 && ::waitpid(worker_.pid, &status, WNOHANG) == 0; ++i)
        ::poll(nullptr, 0, 10);
}

Result<void> Monitor::wait_for_tags() {
    while (!publication_.is_published())
        if (auto received = wait_for(Type::tags); !received)
            return received.error();
    return {};
}

Result<void> Monitor::raise_horizon() {
    if (auto sent = send_message(RaiseHorizon{}); !sent)
        return sent;
    if (auto raised = wait_for(Type::horizon_raised); !raised)
        return raised.error();
    return {};
}

Result<void> Monitor::set_panic(bool on) {
    privsep::Panic message;
    message.on = on ? 1 : 0;
    return send_message(message);
}

Result<void> Monitor::unlock(const wire::CredentialId& credential) {
    Unlock message;
    message.credential = credential;
    return send_message(message);
}

Result<void> Monitor::accept_clock() { return send_message(AcceptClock{}); }

// wait_for() returns messages of these two types to its caller. If nothing waits for one, it is a late message of a
// call that failed.
Result<void> Monitor::handle_secrets_read(Received&) { return {}; }
Result<void> Monitor::handle_horizon_raised(Received&) { return {}; }

Result<void> Monitor::handle_pong(Received& received) {
    const std::uint32_t number = as<Pong>(received)->number;
    if (number != pong_ + 1) // each ping is answered once, in order
        return worker_error("said something that makes no sense: a pong of another ping");
    pong_ = number;
    return {};
}

Result<void> Monitor::handle_tags(Received& received) {
    Tags message;
    const Wiped wiped(message);
    read_into(message, received);
    const auto verdict = publication_.publish(message, places_);
    if (!verdict)
        return verdict.error();
    switch (*verdict) {
    case TagPublication::Verdict::published:
        return {};
    case TagPublication::Verdict::of_nobody:
        return worker_error("published a tag of no credential");
    case TagPublication::Verdict::senseless:
        break;
    }
    return worker_error("said something that makes no sense: tags of no publication");
}

// Late ones are dropped: the worker publishes all of them again for the configuration that counts.
Result<void> Monitor::handle_steps(Received& received) {
    Steps message;
    const Wiped wiped(message);
    read_into(message, received);
    const auto records = checked(message);
    const auto age = publication_.age_of(message.generation);
    if (!records || age == TagPublication::Age::senseless)
        return worker_error("said something that makes no sense: steps of no publication");
    if (age == TagPublication::Age::late)
        return {};
    std::vector<xdp::PublishedStep> steps;
    steps.reserve(records->size());
    for (const StepRecord& record : *records) {
        if (!places_.is_taken(record.place))
            return worker_error("published a sequence of no credential");
        steps.push_back({.slot = record.slot,
                         .not_before = BootTime(std::chrono::nanoseconds(record.not_before)),
                         .expires = BootTime(std::chrono::nanoseconds(record.expires)),
                         .node = record.node,
                         .next = record.next,
                         .place = record.place,
                         .port = record.port});
    }
    if (message.first == 1)
        world_.steps.begin_replacement();
    if (auto added = world_.steps.add(steps); !added)
        return added;
    if (message.last == 1)
        world_.steps.end_replacement();
    return {};
}

Result<void> Monitor::handle_notice(Received& received) {
    const auto message = *as<Notice>(received);
    const auto kind = checked(message);
    if (!kind)
        return worker_error("said something that makes no sense: a notice of no kind");
    const auto index = config_->policy.find_credential(message.credential); // a reload may have removed it
    const authz::Credential* const whom = index ? &config_->policy.credentials[*index] : nullptr;
    switch (*kind) {
    case NoticeKind::clock_wrong:
        clock_is_wrong_ = true;
        break;
    case NoticeKind::clock_right:
        clock_is_wrong_ = false;
        break;
    case NoticeKind::locked_for_good:
        if (whom == nullptr)
            return {};
        break;
    }
    world_.events.on_event(events::event_of(*kind, whom, Now::read()));
    return {};
}

Result<void> Monitor::handle_outcome(Received& received) {
    const auto message = *as<Outcome>(received);
    auto events = events::events_of(message, config_->policy, Now::read());
    const auto outdated = std::exchange(outdated_, std::nullopt);
    if (events && outdated == std::pair(message.credential, Address{message.address}) &&
        events->front().reject == authz::Reject::refused)
        events->front().detail = "the configuration that was loaded meanwhile does not allow it";
    return emit(events);
}

Result<void> Monitor::handle_suppressed(Received& received) {
    return emit(events::events_of(*as<Suppressed>(received), Now::read()));
}

Result<void> Monitor::emit(const std::optional<std::vector<authz::Event>>& events) {
    if (!events)
        return worker_error("said something that makes no sense: an outcome of no knock");
    for (const authz::Event& event : *events)
        world_.events.on_event(event);
    return {};
}

} // namespace xk
