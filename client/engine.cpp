// SPDX-License-Identifier: MIT
#include "client/engine.h"

#include "client/greet_ways.h"
#include "protocol/base/quote.h"

#include <sys/socket.h>

#include <algorithm>

namespace xk::client {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kProbeAgain{1000};

bool is_new_packet(const Step& step) { return step.what == Step::What::fresh || step.what == Step::What::other_mode; }

bool is_unreachable(int error) { return error != ECONNREFUSED && error != ETIMEDOUT; }

} // namespace

bool Engine::can_knock() const {
    return std::any_of(ways_.begin(), ways_.end(), [](const Way& way) { return way.knock.has_value(); });
}

bool Engine::no_code_helps() const {
    return std::all_of(ways_.begin(), ways_.end(), [](const Way& way) {
        return !way.knock || way.happened.opened || way.happened.unreachable != 0;
    });
}

void Engine::probe() {
    const Clock::time_point now = Clock::now();
    if (probed_ && now - *probed_ < kProbeAgain)
        return;
    probed_ = now;
    for (std::size_t i = 0; i < ways_.size(); ++i) {
        const auto local = ways_[i].knock ? std::optional(ways_[i].knock->local()) : source_;
        attempts_.begin(ways_[i].target, port_, local, i);
        story_.say("tcp/" + std::to_string(port_) + " of " + ways_[i].target.text() + " tried without a knock");
    }
}

bool Engine::stands_within(milliseconds time) {
    const Clock::time_point deadline = Clock::now() + time;
    do {
        if (!standing_)
            standing_ = attempts_.wait_for_answer(deadline - Clock::now());
        for (const Attempts::Failure& failure : attempts_.take_failures())
            story_.say(ways_[failure.tag].target.text() + ": " + answer_text(failure.error));
    } while (!standing_ && Clock::now() < deadline && attempts_.any_pending());
    return standing_.has_value();
}

void Engine::forget_attempts() {
    for (std::size_t i = 0; i < ways_.size(); ++i)
        ways_[i].silence = std::max(ways_[i].silence, attempts_.silence(i));
    attempts_ = Attempts();
    probed_.reset();
}

Result<void> Engine::greet(Clock::time_point deadline) {
    if (auto done = greet_ways(ways_, deadline, GreetUntil::one_answers, wait_for_packet, story_); !done)
        return done;
    const auto first = std::find_if(ways_.begin(), ways_.end(),
                                    [](const Way& way) { return way.knock && !way.knock->needs_greeting(); });
    if (first != ways_.end())
        std::rotate(ways_.begin(), first, first + 1);
    return {};
}

Result<bool> Engine::knock(const std::string& code, Clock::time_point deadline, const std::function<void()>& sent) {
    std::optional<Error> trouble;
    bool was_sent = false;
    for (Way& way : ways_)
        way.is_decided = way.is_over = false;
    began_ = Clock::now();
    for (std::size_t pass = 0; Clock::now() < deadline; pass = std::exchange(has_changed_, false) ? 0 : pass + 1) {
        bool any = false;
        for (std::size_t i = 0; i < ways_.size() && Clock::now() < deadline && !has_changed_; ++i) {
            if (!ways_[i].knock)
                continue;
            const auto others = std::count_if(ways_.begin(), ways_.end(), [](const Way& w) { return !!w.knock; });
            const auto end = others == 1 ? deadline : std::min(deadline, Clock::now() + turn_of_pass(pass));
            const Happened before = ways_[i].happened;
            auto done = turn(i, pass, code, end);
            any |= ways_[i].happened.knocks > before.knocks || ways_[i].happened.hellos > before.hellos;
            if (ways_[i].happened.knocks > before.knocks && !std::exchange(was_sent, true))
                sent();
            if (ways_[i].happened.knocks == before.knocks && !done)
                trouble = done.error();
            if (standing_ || is_over())
                return standing_.has_value();
        }
        if (!any && !has_changed_ && (!was_sent || !comes_back(deadline)))
            break;
    }
    if (!was_sent && trouble && !standing_)
        return *trouble;
    return standing_.has_value();
}

Result<void> Engine::turn(std::size_t i, std::size_t pass, const std::string& code, Clock::time_point end) {
    Clock::time_point begin = Clock::now();
    Way& way = ways_[i];
    way.is_over = false;
    if (pass == 1)
        way.knock->try_other_mode();
    for (const Step& step : schedule()) {
        const Clock::time_point due = begin + step.at;
        if (due >= end || wait_until(due, i, begin))
            break;
        if (is_new_packet(step) && way.knock->needs_greeting()) {
            const Clock::time_point asked = Clock::now();
            auto answered = greet(i, begin, end);
            if (!answered)
                return answered.error();
            if (!*answered)
                break;
            begin += Clock::now() - asked; // what is due behind the request
        }
        if (auto done = take_step(way, i, step, code); !done)
            return done;
        if (!knocked_)
            knocked_ = begin;
        if (!routes_)
            if (auto routes = RouteWatch::start())
                routes_ = *std::move(routes);
    }
    if (!standing_ && !has_changed_ && !gives_way(i))
        wait_until(end, i, begin);
    return {};
}

Result<void> Engine::take_step(Way& way, std::size_t i, const Step& step, const std::string& code) {
    Result<void> done;
    switch (step.what) {
    case Step::What::attempt:
        attempts_.begin(way.target, port_, way.knock->local(), i);
        story_.say("tcp/" + std::to_string(port_) + " of " + way.target.text() + " tried");
        return {};
    case Step::What::copy:
        done = way.knock->send_copy();
        break;
    case Step::What::other_mode:
        way.knock->try_other_mode();
        done = way.knock->send(code);
        break;
    case Step::What::fresh:
        done = way.knock->send(code);
        break;
    }
    if (!done) {
        way.happened.not_knocked = as_line(done.error().message);
        way.is_decided = true;
        story_.say(way.happened.not_knocked);
        return done;
    }
    way.happened.not_knocked.clear();
    if (step.what != Step::What::copy)
        way.packet = Clock::now();
    way.happened.knocks += step.what == Step::What::copy ? 0 : 1;
    way.happened.source_mode |= way.knock->mode() == AddressMode::source;
    story_.knocked(*way.knock, step.what == Step::What::copy);
    return {};
}

Result<bool> Engine::greet(std::size_t i, Clock::time_point begin, Clock::time_point end) {
    const auto wait = [&](int fd, Clock::time_point time) {
        standing_ = attempts_.wait_for_answer(time - Clock::now(), {routes_fd(), fd});
        note_failures(begin);
        return standing_ || gives_way(i) || follow_network();
    };
    auto answered = greet_way(ways_[i], end, wait, story_);
    ways_[i].is_decided |= !answered;
    return answered;
}

// True where the turn is over before.
bool Engine::wait_until(Clock::time_point time, std::size_t i, Clock::time_point begin) {
    do {
        standing_ = attempts_.wait_for_answer(time - Clock::now(), {routes_fd()});
        note_failures(begin);
        if (standing_ || gives_way(i) || follow_network())
            return true;
    } while (Clock::now() < time);
    return false;
}

void Engine::note_failures(Clock::time_point begin) {
    for (const Attempts::Failure& failure : attempts_.take_failures()) {
        Way& way = ways_[failure.tag];
        story_.say(way.target.text() + ": " + answer_text(failure.error));
        if (is_unreachable(failure.error))
            way.happened.unreachable = failure.error;
        else if (failure.error == ECONNREFUSED)
            ++way.happened.resets;
        note_answer(way, failure, begin);
    }
}

void Engine::note_answer(Way& way, const Attempts::Failure& failure, Clock::time_point begin) {
    // A server that answers as closed does so until the pinhole is open.
    const bool is_reset = failure.error == ECONNREFUSED && failure.begun >= begin + kOpenBy;
    if (!is_reset && !is_unreachable(failure.error))
        return;
    way.is_decided = true;
    // What was silent for longer than this answer took would have been answered, too.
    way.happened.opened |=
        is_reset && (attempts_.is_silent(failure.tag, begin + kOpenBy) || way.silence > Clock::now() - failure.begun);
    way.is_over |= failure.begun >= began_ + kStarts && way.packet && failure.begun >= *way.packet + kOpenBy;
}

// Once for each address: where all have answered so, each of them keeps its turn until its last word.
bool Engine::gives_way(std::size_t i) const {
    return ways_[i].is_over || (ways_[i].is_decided && std::any_of(ways_.begin(), ways_.end(), [](const Way& way) {
                                    return way.knock && !way.is_decided;
                                }));
}

// Where no packet can leave for any of them the network may come back.
bool Engine::is_over() const {
    const auto is_done = [](const Way& way) { return !way.knock || way.is_over || !way.happened.not_knocked.empty(); };
    return std::all_of(ways_.begin(), ways_.end(), is_done) &&
           std::any_of(ways_.begin(), ways_.end(), [](const Way& way) { return way.knock && way.is_over; });
}

// True where the network of this machine has changed so that all begins anew: by another address of ours, or because
// an address could not be reached before.
bool Engine::follow_network() {
    if (!routes_ || !routes_->drain())
        return false;
    for (Way& way : ways_) {
        if (!way.knock)
            continue;
        const auto moved = way.knock->follow_address();
        if (moved)
            has_changed_ |= *moved || way.happened.unreachable != 0 || !way.happened.not_knocked.empty();
        else
            way.happened.not_knocked = as_line(moved.error().message);
    }
    if (!has_changed_)
        return false;
    story_.say("the network of this machine has changed");
    began_ = Clock::now();
    for (Way& way : ways_) {
        way.is_decided = way.is_over = false;
        way.happened.unreachable = 0;
        if (way.knock)
            way.knock->begin_anew();
    }
    return true;
}

// No packet can leave. A connection that was begun may still come about, and the network may come back.
bool Engine::comes_back(Clock::time_point deadline) {
    while (!standing_) {
        const auto end = attempts_.any_pending() ? deadline : std::min(deadline, began_ + kStarts);
        if (Clock::now() >= end)
            break;
        standing_ = attempts_.wait_for_answer(end - Clock::now(), {routes_fd()});
        note_failures(began_);
        if (follow_network())
            return true;
    }
    return false;
}

Connected Engine::take() {
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    ::getpeername(standing_->get(), reinterpret_cast<sockaddr*>(&peer), &size);
    const auto since = knocked_ ? Clock::now() - *knocked_ : Clock::duration(0);
    return {*std::exchange(standing_, std::nullopt), Place::of(reinterpret_cast<const sockaddr&>(peer)),
            knocked_.has_value(), std::chrono::duration_cast<std::chrono::microseconds>(since)};
}

} // namespace xk::client
