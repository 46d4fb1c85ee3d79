// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/worker_grants.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <utility>

namespace xk {
namespace {

GrantReply reply_of(const Grants::Done& done) { return {.answer = done.answer, .error = done.error}; }

} // namespace

WorkerGrants::WorkerGrants(Grants& grants, const Bans& bans, const Panic& panic,
                           std::function<std::set<Address>()> own_addresses)
    : grants_(grants), bans_(bans), panic_(panic), own_addresses_(std::move(own_addresses)) {}

Result<void> WorkerGrants::begin(std::function<void(Ticket, bool)> on_committed) {
    timer_.reset(::timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK));
    if (!timer_)
        return os_error("making a timer");
    grants_.on_done([this, told = std::move(on_committed)](bool done) {
        for (const Ticket ticket : std::exchange(waiting_, {}))
            told(ticket, done);
    });
    return {};
}

void WorkerGrants::on_timer() {
    std::uint64_t count;
    (void)!::read(timer_.get(), &count, sizeof count);
    grants_.settle(Now::read());
}

void WorkerGrants::settle(const Now& now) {
    if (grants_.any_waiting() && now.boot >= grants_.due())
        grants_.settle(now);
}

GrantReply WorkerGrants::open_grant(const authz::GrantRequest& request, Ticket ticket, const Now& now) {
    if (panic_.is_on()) { // the worker accepted the knock before it was notified of the panic
        GrantReply reply;
        reply.answer = authz::Answer::panic;
        return reply;
    }
    const auto done = grants_.open_grant(request, bans_.list(), own_addresses_(), now);
    if (done.answer == authz::Answer::waiting) {
        waiting_.push_back(ticket);
        const auto due = grants_.due().time_since_epoch();
        const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(due);
        const itimerspec at{{}, {seconds.count(), (due - seconds).count()}};
        ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &at, nullptr);
    }
    return reply_of(done);
}

GrantReply WorkerGrants::close_grant(const authz::GrantRequest& request, const Now& now) {
    return reply_of(grants_.close_grant(request, now));
}

GrantReply WorkerGrants::close_all(std::uint32_t credential, const Now& now) {
    return reply_of(grants_.close_all(credential, now));
}

} // namespace xk
