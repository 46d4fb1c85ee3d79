// SPDX-License-Identifier: MIT
#include "client/keep.h"

#include "client/chosen.h"
#include "client/code.h"
#include "client/connect.h"
#include "client/last_use.h"
#include "client/route_watch.h"
#include "client/verbs.h"
#include "protocol/base/quote.h"
#include "protocol/otp.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>

namespace xk::client {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::chrono::seconds kLifetime{300}; // that is asked for where nobody says another
constexpr milliseconds kSettle{300};           // a network that changes sends several messages
constexpr std::chrono::seconds kMostBetweenFailures{30};

class Keeper {
  public:
    Keeper(const Profile& profile, RequestSpec spec, std::string host, RouteWatch routes, Fd signals)
        : profile_(profile), spec_(spec), host_(std::move(host)), routes_(std::move(routes)),
          signals_(std::move(signals)) {
        state_.lifetime = std::chrono::seconds(spec_.lifetime);
    }

    // Until a signal comes.
    void run() {
        while (wait_until(first_ ? Clock::now() : next_knock(state_)))
            knock();
    }
    Result<void> close() {
        if (first_)
            return {};
        spec_.action = Action::close;
        return send();
    }

  private:
    // Whether it was reached without a signal. A change of the network moves the time.
    bool wait_until(Clock::time_point time) {
        for (;;) {
            const auto left = std::chrono::ceil<milliseconds>(time - Clock::now());
            pollfd fds[] = {{signals_.get(), POLLIN, 0}, {routes_.fd(), POLLIN, 0}};
            const int count = ::poll(fds, 2, static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 3600'000)));
            if (fds[0].revents != 0)
                return false;
            if (count > 0 && fds[1].revents != 0) {
                routes_.drain();
                state_.last_change = Clock::now();
                time = next_knock(state_);
            } else if (Clock::now() >= time) {
                return true;
            }
        }
    }

    void knock() {
        state_.last_change.reset();
        auto sent = send();
        first_ = false;
        remember_use(profile_, sent ? kSent : kFailed);
        if (sent) {
            std::fprintf(stderr, "knock-client: knocked for %s\n", printable(host_).c_str());
            state_.last_knock = Clock::now();
            state_.failures = 0;
            return;
        }
        state_.last_failure = Clock::now();
        if (state_.failures++ == 0) // once for each time without a network
            fail(sent.error());
    }

    // A code counts once, so a knock in the same step as the last one waits for the next step.
    Result<void> send() {
        std::string code;
        if (profile_.factor == FactorKind::totp) {
            if (totp_step(Now::read().wall) == last_step_)
                std::fprintf(stderr, "knock-client: the code of this half minute was used; waiting for the next one\n");
            while (totp_step(Now::read().wall) == last_step_)
                ::poll(nullptr, 0, 200);
            auto made = obtain_code(profile_, {});
            if (!made)
                return made.error();
            code = *made;
            last_step_ = totp_step(Now::read().wall);
        }
        auto sent = knock_only(profile_, spec_, host_, code);
        if (sent)
            Codes(profile_, {}).used(code); // a login beside us takes the next one
        return sent;
    }

    const Profile& profile_;
    RequestSpec spec_;
    std::string host_;
    RouteWatch routes_;
    Fd signals_;
    KeepState state_;
    bool first_ = true;
    std::optional<TotpStep> last_step_;
};

int stop_event = -1;
void on_stop(int) { // a second signal ends the program as it would any other
    const std::uint64_t one = 1;
    (void)!::write(stop_event, &one, sizeof one);
}

// Readable once somebody says "stop". The signals are not blocked, because a program that gives codes would inherit
// that.
Result<Fd> stop_signals() {
    Fd fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!fd)
        return os_error("waiting for signals");
    stop_event = fd.get();
    struct sigaction action {};
    action.sa_handler = on_stop;
    action.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP})
        ::sigaction(signal, &action, nullptr);
    return fd;
}

Error needs_person() {
    return Error{"keep needs a factor that answers by itself, and this profile asks a person",
                 "enroll the device with --factor hmac, or give otp_command in ~/.config/xknock/config.yaml",
                 Exit::configuration};
}

} // namespace

Clock::time_point next_knock(const KeepState& state) {
    // Half of the lifetime leaves room for a knock that is lost.
    Clock::time_point due = state.last_knock + std::chrono::milliseconds(state.lifetime) / 2;
    if (state.failures > 0) {
        const auto pause = std::chrono::seconds(1U << std::min(state.failures - 1, 5U));
        due = state.last_failure + std::min(pause, kMostBetweenFailures);
    }
    return state.last_change ? std::min(due, *state.last_change + kSettle) : due;
}

int run_keep(const Arguments& a) {
    auto profile = profile_for(a);
    if (!profile)
        return fail(profile.error());
    if (!profile->is_automatic())
        return fail(needs_person());
    auto spec = request_spec_of(a);
    if (!spec)
        return fail(spec.error());
    if (auto endpoints = choose_service(a, *profile, *spec); !endpoints)
        return fail(endpoints.error());
    if (spec->lifetime == 0)
        spec->lifetime = profile->lifetime != 0 ? profile->lifetime : static_cast<std::uint32_t>(kLifetime.count());
    auto signals = stop_signals();
    if (!signals)
        return fail(signals.error());
    auto routes = RouteWatch::start();
    if (!routes)
        return fail(routes.error());
    Keeper keeper(*profile, *spec, host_of(a, *profile), *std::move(routes), *std::move(signals));
    keeper.run();
    auto closed = a.leave ? Result<void>() : keeper.close();
    return closed ? 0 : fail(closed.error());
}

} // namespace xk::client
