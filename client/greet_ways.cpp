// SPDX-License-Identifier: MIT
#include "client/greet_ways.h"

#include "client/schedule.h"
#include "protocol/base/quote.h"

#include <algorithm>

namespace xk::client {
namespace {

using Clock = Greeting::Clock;

// Where every way is to have its chance, the first turn has room for the first hellos.
constexpr std::chrono::milliseconds kFairTurn{1000};

Error no_answer(const std::vector<Way>& ways, bool is_stopped) {
    if (is_stopped)
        return Error{"told to stop", {}};
    std::string message = "the server does not answer";
    for (const Way& way : ways)
        if (way.knock)
            message += "\n  " + line_of(way.happened);
    return Error{message, "may this device knock by handshake (\"modes\" on the server)? does the network let UDP out, "
                          "and the answer in? does the server run xknockd? If no answer can come in, --no-handshake "
                          "knocks by a packet. Where another machine has used this profile, "
                          "or this one has lost its state, try again: each try looks further"};
}

} // namespace

Result<bool> greet_way(Way& way, Clock::time_point deadline, const Wait& wait, const Story& story) {
    Knock& knock = *way.knock;
    if (!knock.needs_greeting())
        return true;
    auto answered = knock.greet(deadline, wait, [&](handshake::Number number) {
        ++way.happened.hellos;
        story.say("hello " + std::to_string(number) + " to " + knock.server().text());
    });
    if (answered && *answered)
        story.greeted(*knock.greeting());
    if (answered)
        return answered;
    way.happened.not_knocked = as_line(answered.error().message);
    story.say(way.happened.not_knocked);
    return answered;
}

Result<void> greet_ways(std::vector<Way>& ways, Clock::time_point deadline, GreetUntil until, const Wait& wait,
                        const Story& story) {
    const auto count = std::count_if(ways.begin(), ways.end(), [](const Way& way) { return way.knock.has_value(); });
    const auto shortest = until == GreetUntil::one_answers ? std::chrono::milliseconds(0) : kFairTurn;
    bool any = false, can_leave = true, is_stopped = false;
    const Wait wait_or_stop = [&](int fd, Clock::time_point time) { return is_stopped |= wait(fd, time); };
    for (std::size_t pass = 0; !any && can_leave && !is_stopped && Clock::now() < deadline; ++pass) {
        can_leave = false;
        for (Way& way : ways) {
            if (!way.knock || is_stopped || (any && until == GreetUntil::one_answers))
                continue;
            const auto turn = std::max(turn_of_pass(pass), shortest);
            const auto end = count == 1 ? deadline : std::min(deadline, Clock::now() + turn);
            const auto answered = greet_way(way, end, wait_or_stop, story);
            can_leave |= answered.has_value();
            any |= answered && *answered;
        }
    }
    return any ? Result<void>() : no_answer(ways, is_stopped);
}

} // namespace xk::client
