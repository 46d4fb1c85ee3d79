// SPDX-License-Identifier: MIT
#include "client/unwatched.h"

#include "client/greet_ways.h"
#include "protocol/base/quote.h"

#include <poll.h>

#include <algorithm>
#include <optional>

namespace xk::client {
namespace {

constexpr std::chrono::milliseconds kCopyAfter{250};

bool is_close(const RequestSpec& spec) { return spec.action == Action::close || spec.action == Action::close_all; }

// One connection, or one address that was named, wants one grant.
bool is_for_one(const RequestSpec& spec) { return spec.single_use || spec.for_address; }

// By handshake: leaves the ways whose servers have answered.
Result<void> greet(const Profile& profile, std::vector<Way>& ways, const UnwatchedCode& code, const Wait& wait,
                   const Story& story) {
    if (!profile.by_handshake())
        return {};
    const auto deadline = Greeting::Clock::now() + profile.wait;
    if (auto done = greet_ways(ways, deadline, GreetUntil::all_had_a_turn, wait, story); !done)
        return done;
    std::erase_if(ways, [](const Way& way) { return !way.knock || way.knock->needs_greeting(); });
    code.server_is_ahead(ways.front().knock->greeting()->server_ahead());
    return {};
}

// Takes the ways away on which it failed.
Result<void> send_first(std::vector<Way>& ways, const std::string& code, const Story& story) {
    std::optional<Error> trouble;
    for (Way& way : ways) {
        auto done = way.knock->send(code);
        if (done) {
            story.knocked(*way.knock, false);
            continue;
        }
        story.say(as_line(done.error().message));
        trouble = done.error();
        way.knock.reset();
    }
    std::erase_if(ways, [](const Way& way) { return !way.knock; });
    return ways.empty() ? Result<void>(*trouble) : Result<void>();
}

// The first mode leaves first: a server that takes it looks at the other one as a retry that changes nothing, so who
// is on the way gains nothing by it.
void send_again(std::vector<Way>& ways, const std::string& code, const Story& story) {
    for (Way& way : ways) {
        const AddressMode before = way.knock->mode();
        if (way.knock->send_copy())
            story.knocked(*way.knock, true);
        way.knock->try_other_mode();
        if (way.knock->mode() != before && way.knock->send(code))
            story.knocked(*way.knock, false);
    }
}

} // namespace

Result<std::vector<Way>> find_unwatched_ways(const Profile& profile, const RequestSpec& spec, const std::string& host,
                                             const LookUp& look_up) {
    auto ways = find_ways(profile, spec, host, look_up);
    if (ways || profile.gateway || !goes_elsewhere(profile, host))
        return ways;
    return find_ways(profile, spec, profile.server, look_up);
}

std::vector<Way> unwatched_ways(std::vector<Way> ways, const RequestSpec& spec, bool is_gateway) {
    std::vector<Way> taken;
    for (Way& way : ways) {
        if (!way.knock)
            continue;
        const bool is_there = std::any_of(taken.begin(), taken.end(), [&](const Way& one) {
            return one.knock->server() == way.knock->server() && (!is_gateway || one.target == way.target);
        });
        const bool has_family = std::any_of(taken.begin(), taken.end(),
                                            [&](const Way& one) { return one.target.is_v4() == way.target.is_v4(); });
        if (!is_there && (is_close(spec) || !has_family) && (taken.empty() || !is_for_one(spec)))
            taken.push_back(std::move(way));
    }
    return taken;
}

Result<void> knock_unwatched(const Profile& profile, const RequestSpec& spec, const std::string& host,
                             const UnwatchedCode& code, const Story& story, const LookUp& look_up,
                             const LookUp& look_up_stun, const Wait& wait) {
    auto ways = find_unwatched_ways(profile, spec, host, look_up);
    if (!ways)
        return ways.error();
    prepare_knocks(profile, spec, host, *ways, look_up);
    learn_our_address(profile, *ways, story, look_up_stun);
    if (std::none_of(ways->begin(), ways->end(), [](const Way& way) { return way.knock.has_value(); }))
        return no_way(*ways);
    auto taken = unwatched_ways(*std::move(ways), spec, profile.gateway);
    if (auto greeted = greet(profile, taken, code, wait, story); !greeted)
        return greeted;
    auto text = code.next();
    if (!text)
        return text.error();
    // That may have taken longer than the server remembers a handshake.
    if (auto greeted = greet(profile, taken, code, wait, story); !greeted)
        return greeted;
    if (auto sent = send_first(taken, *text, story); !sent)
        return sent;
    code.was_sent(*text);
    ::poll(nullptr, 0, static_cast<int>(kCopyAfter.count()));
    send_again(taken, *text, story);
    return {};
}

} // namespace xk::client
