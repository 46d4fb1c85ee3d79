// SPDX-License-Identifier: MIT
#include "client/keep.h"

#include "client/chosen.h"
#include "client/code.h"
#include "client/known_names.h"
#include "client/last_use.h"
#include "client/route_watch.h"
#include "client/unwatched.h"
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
// The server may give less than what was asked for, and never answers. A knock every so often leaves no gap while it
// gives ten seconds, even if one knock is lost. One-time codes last for half a minute each, and one in three is left
// for the logins beside us: then it must give a minute.
constexpr std::chrono::seconds kEvery{5}, kEveryWithCodes{45};
// Whoever tells us to stop does not wait longer for a program that gives the code of the close.
constexpr std::chrono::seconds kLastCode{5};
constexpr milliseconds kSettle{300}; // a network that changes sends several messages
constexpr std::chrono::seconds kMostBetweenFailures{30};

class Keeper {
  public:
    Keeper(const Profile& profile, RequestSpec spec, std::string host, std::chrono::seconds every, bool verbose,
           RouteWatch routes, Fd signals)
        : profile_(profile), spec_(spec), host_(std::move(host)), routes_(std::move(routes)),
          signals_(std::move(signals)), names_(signals_.get()), stun_names_(signals_.get(), resolve_soon),
          story_(verbose) {
        state_.lifetime = std::chrono::seconds(spec_.lifetime);
        state_.every = every;
    }

    // Until a signal comes.
    void run() {
        if (profile_.factor == FactorKind::totp)
            std::fprintf(stderr, "knock-client: a code is good for half a minute and for one knock: where the server "
                                 "gives less than a minute, the port is shut now and then. A device with --factor hmac "
                                 "has no such gap\n");
        knock();
        while (wait_until(next_knock(state_)))
            knock();
    }
    Result<void> close() {
        if (!was_sent_)
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
        const bool is_news = !was_sent_ || state_.failures > 0 || state_.last_change;
        state_.last_change.reset();
        auto sent = send();
        if (!sent && is_stopped())
            return;
        remember_use(profile_, sent ? kSent : kFailed);
        if (sent) {
            was_sent_ = true;
            const std::string words = "knocked for " + printable(host_);
            is_news ? void(std::fprintf(stderr, "knock-client: %s\n", words.c_str())) : story_.say(words);
            state_.last_knock = Clock::now();
            state_.failures = 0;
            return;
        }
        state_.last_failure = Clock::now();
        if (state_.failures++ == 0) // once for each time without a network
            fail(sent.error());
    }

    bool is_stopped(milliseconds time = milliseconds(0)) const {
        pollfd stop{signals_.get(), POLLIN, 0};
        return ::poll(&stop, 1, static_cast<int>(time.count())) == 1;
    }

    // A code counts once, so a knock in the same step as the last one waits for the next step.
    Result<std::string> next_code() {
        if (profile_.factor != FactorKind::totp)
            return std::string();
        if (step_now() == last_step_)
            std::fprintf(stderr, "knock-client: the code of this half minute was used; waiting for the next one\n");
        while (step_now() == last_step_) {
            if (spec_.action == Action::open && is_stopped())
                return Error{"told to stop", {}};
            ::poll(nullptr, 0, 200);
        }
        const bool is_last = spec_.action == Action::close;
        const auto end = Clock::now() + kLastCode;
        return obtain_code(
            profile_, {},
            [&](milliseconds time) {
                if (!is_last)
                    return is_stopped(time);
                ::poll(nullptr, 0, static_cast<int>(time.count()));
                return Clock::now() >= end;
            },
            ahead_);
    }

    TotpStep step_now() const { return totp_step(Now::read().wall + ahead_); }

    // For an answer of the server. The close comes when somebody has said stop already.
    bool wait_for(int fd, Clock::time_point time) const {
        if (spec_.action == Action::close)
            return wait_for_packet(fd, time);
        const auto left = std::chrono::ceil<milliseconds>(time - Clock::now());
        pollfd fds[] = {{signals_.get(), POLLIN, 0}, {fd, POLLIN, 0}};
        ::poll(fds, 2, static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1000)));
        return fds[0].revents != 0;
    }

    Result<void> send() {
        const auto used = [this](const std::string& code) {
            last_step_ = step_now();
            Codes(profile_, {}).used(code); // a login beside us takes the next one
        };
        const auto ahead = [this](std::chrono::microseconds time) { ahead_ = time; };
        const auto by = [](KnownNames& names) {
            return [&names](const std::string& host, Family family) { return names.find(host, family); };
        };
        return knock_unwatched(profile_, spec_, host_, {[this] { return next_code(); }, used, ahead}, story_,
                               by(names_), by(stun_names_),
                               [this](int fd, Clock::time_point time) { return wait_for(fd, time); });
    }

    const Profile& profile_;
    RequestSpec spec_;
    std::string host_;
    RouteWatch routes_;
    Fd signals_;
    KnownNames names_, stun_names_;
    Story story_;
    KeepState state_;
    bool was_sent_ = false;
    std::optional<TotpStep> last_step_;
    std::chrono::microseconds ahead_{0}; // the server's clock of ours, by its last answer
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

Result<std::chrono::seconds> every_of(const Arguments& a, const Profile& profile) {
    if (a.every.empty())
        return profile.factor == FactorKind::totp ? kEveryWithCodes : kEvery;
    auto every = parse_duration(a.every);
    if (!every || every->count() == 0)
        return Error{in_quotes(a.every) + " is no time between knocks", "write 5s or more, 5m, 2h", Exit::usage};
    return *every;
}

Error needs_person() {
    return Error{"keep needs a factor that answers by itself, and this profile asks a person",
                 "enroll the device with --factor hmac, or give otp_command in ~/.config/xknock/config.yaml",
                 Exit::configuration};
}

// Nothing answers, so it would go on using codes up while the server is away, beyond those that are searched for.
Error needs_no_counter() {
    return Error{"keep needs a factor without a counter: codes of factor hotp that do not arrive are used up",
                 "enroll the device with --factor hmac", Exit::configuration};
}

} // namespace

Clock::time_point next_knock(const KeepState& state) {
    // Half of the lifetime leaves room for a knock that is lost.
    const auto pause_between = std::min<milliseconds>(milliseconds(state.lifetime) / 2, state.every);
    Clock::time_point due = state.last_knock + pause_between;
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
    if (profile->factor == FactorKind::hotp)
        return fail(needs_no_counter());
    auto spec = request_spec_of(a);
    if (!spec)
        return fail(spec.error());
    if (auto endpoints = choose_service(a, *profile, *spec); !endpoints)
        return fail(endpoints.error());
    if (spec->lifetime == 0)
        spec->lifetime = profile->lifetime != 0 ? profile->lifetime : static_cast<std::uint32_t>(kLifetime.count());
    auto every = every_of(a, *profile);
    if (!every)
        return fail(every.error());
    auto signals = stop_signals();
    if (!signals)
        return fail(signals.error());
    auto routes = RouteWatch::start();
    if (!routes)
        return fail(routes.error());
    Keeper keeper(*profile, *spec, host_of(a, *profile), *every, a.verbose, *std::move(routes), *std::move(signals));
    keeper.run();
    auto closed = a.leave ? Result<void>() : keeper.close();
    return closed ? 0 : fail(closed.error());
}

} // namespace xk::client
