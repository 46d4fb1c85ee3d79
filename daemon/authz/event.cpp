// SPDX-License-Identifier: MIT
#include "daemon/authz/event.h"

#include "protocol/base/quote.h"

#include <algorithm>
#include <iterator>

namespace xk::authz {
namespace {

constexpr std::string_view kKinds[] = {"knock_accepted",
                                       "knock_refused",
                                       "refusals_suppressed",
                                       "locked",
                                       "unlocked",
                                       "grant_begun",
                                       "grant_prolonged",
                                       "grant_ended",
                                       "session_ended",
                                       "banned",
                                       "unbanned",
                                       "reloaded",
                                       "repaired",
                                       "attached",
                                       "detached",
                                       "clock_wrong",
                                       "clock_right",
                                       "trial_begun",
                                       "trial_confirmed",
                                       "trial_over",
                                       "panic_begun",
                                       "panic_over",
                                       "taken_over",
                                       "operator_action",
                                       "knocks_suppressed",
                                       "legacy_client"};
static_assert(std::size(kKinds) == kEventKinds);

constexpr std::string_view kCauses[] = {"none",   "expired",       "used",  "by_user",   "by_operator", "banned",
                                        "rights", "configuration", "panic", "by_others", "failed",      "displaced"};
static_assert(std::size(kCauses) == kEndCauses);

template <typename Enum, std::size_t N>
std::optional<Enum> find(const std::string_view (&names)[N], std::string_view name) {
    const auto found = std::find(std::begin(names), std::end(names), name);
    return found == std::end(names) ? std::nullopt : std::optional(static_cast<Enum>(found - std::begin(names)));
}

} // namespace

std::string_view name_of(EventKind kind) {
    const auto i = static_cast<std::size_t>(kind);
    return i < kEventKinds ? kKinds[i] : "?";
}

std::string_view name_of(EndCause cause) {
    const auto i = static_cast<std::size_t>(cause);
    return i < kEndCauses ? kCauses[i] : "?";
}

std::optional<EventKind> event_kind(std::string_view name) { return find<EventKind>(kKinds, name); }
std::optional<EndCause> end_cause(std::string_view name) { return find<EndCause>(kCauses, name); }

std::string bounded(std::string_view text, std::size_t most) {
    // Cut first: as_line() makes a text up to four times as long, and the rest would be cut off anyway.
    std::string line = as_line(text.substr(0, most + 1));
    if (line.size() <= most)
        return line;
    constexpr std::string_view kCut = "...";
    line.resize(std::max(most, kCut.size()) - kCut.size());
    return line += kCut;
}

void bound(Event& event) {
    for (std::string* const text : {&event.user, &event.device, &event.service, &event.pinholes, &event.detail,
                                    &event.verb, &event.failure, &event.more})
        *text = bounded(*text);
    if (event.by)
        for (std::string* const text : {&event.by->name, &event.by->login_name})
            *text = bounded(*text);
}

std::size_t size_of(const Event& event) {
    return sizeof event + event.user.capacity() + event.device.capacity() + event.service.capacity() +
           event.pinholes.capacity() + event.detail.capacity() + event.verb.capacity() + event.failure.capacity() +
           event.more.capacity() + (event.by ? event.by->name.capacity() + event.by->login_name.capacity() : 0);
}

} // namespace xk::authz
