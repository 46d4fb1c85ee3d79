// SPDX-License-Identifier: MIT
#include "client/story.h"

#include "protocol/base/quote.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace xk::client {
namespace {

// A server refuses a packet whose clock is so far off.
constexpr std::chrono::seconds kNotableDifference{30};

std::string times(unsigned count, const std::string& what) {
    return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

bool all(const std::vector<Happened>& addresses, bool (*is)(const Happened&)) {
    return std::all_of(addresses.begin(), addresses.end(), is);
}

bool is_gone(const Happened& one) { return one.unreachable != 0 || one.knocks == 0 || !one.not_knocked.empty(); }

bool is_silent_behind_nat(const Happened& one) { return !is_gone(one) && one.source_mode && one.resets == 0; }

} // namespace

std::string line_of(const Happened& one) {
    std::string line = one.address + ": ";
    if (one.knocks == 0 && !one.not_knocked.empty())
        return line + one.not_knocked;
    if (one.knocks == 0)
        return line + (one.hellos != 0 ? times(one.hellos, "hello") + ", then silence" : "not tried");
    line += times(one.knocks, "knock") + ", then ";
    if (!one.not_knocked.empty())
        return line + one.not_knocked;
    if (one.unreachable != 0)
        return line + "unreachable (" + std::strerror(one.unreachable) + ")";
    if (one.opened)
        return line + "reset: it is open and nobody listens";
    return line + (one.resets != 0 ? "reset: it is open and nobody listens, or it answers as closed while it is shut"
                                   : "silence");
}

Error not_open(const Known& known) {
    std::string message = "port " + std::to_string(known.port) + " of " + printable(known.host) + " did not open";
    for (const Happened& one : known.addresses)
        message += "\n  " + line_of(one);
    if (!known.by_handshake)
        message += "\n  this machine's clock is " + clock_words(known.clock);
    if (all(known.addresses, is_gone))
        return Error{message, "is this machine's network up? is there a way to the server?"};
    if (all(known.addresses, [](const Happened& one) { return one.opened || is_gone(one); }))
        return Error{message, "does the service run there? the knock did its work"};
    std::string hint;
    const bool is_doubtful = is_clock_doubtful(known.clock);
    if (is_doubtful && !known.by_handshake)
        hint = clock_remedy() + ". If it is right: ";
    if (all(known.addresses, [](const Happened& one) { return one.resets != 0 || one.knocks == 0; }))
        hint += "does the service run there? ";
    if (known.has_codes && known.person)
        hint += "was the code right, and not used yet? ";
    if (known.hotp && known.person)
        hint += "if it was, try again with the next two codes in a row. ";
    if (!known.clock.is_synchronised && !is_doubtful && !known.by_handshake)
        hint += "is the clock right (\"timedatectl\" says more)? ";
    hint += known.is_sequence
                ? "does the server take a sequence of so many ports from this credential? does the network "
                  "let each of them out? does the server run xknockd?"
            : known.by_handshake // whoever answers is there
                ? "may this credential open it?"
                : "may this credential open it? does the network let UDP out? does the server run xknockd?";
    if (std::any_of(known.addresses.begin(), known.addresses.end(), is_silent_behind_nat))
        hint += " do UDP and TCP leave this network by two addresses (CGNAT)? then use IPv6 or a VPN";
    return Error{message, hint};
}

void Story::say(const std::string& text) const {
    if (!is_verbose_)
        return;
    const auto since = std::chrono::duration<double, std::milli>(Attempts::Clock::now() - begin_);
    std::fprintf(stderr, "knock-client: %8.1f ms  %s\n", since.count(), text.c_str());
}

void Story::knocked(const Knock& knock, bool copy) const {
    if (!is_verbose_)
        return;
    const std::string how = knock.mode() == AddressMode::bound    ? "bound to " + knock.named().text()
                            : knock.mode() == AddressMode::source ? "for the source that the server sees"
                                                                  : "for another address";
    say(std::string(copy ? "the same packet again" : "knock") + " to " + knock.server().text() + " from " +
        knock.local().text() + ", " + how + ", slot " + std::to_string(knock.slot()));
}

void Story::greeted(const Greeting& greeting) const {
    say("the server sees you as " + greeting.answer().seen.text() + " port " + std::to_string(greeting.answer().port));
    const auto ahead = std::chrono::duration_cast<std::chrono::seconds>(greeting.server_ahead());
    if (std::chrono::abs(ahead) > kNotableDifference)
        say("this machine's clock is " + span_text(ahead.count()) + (ahead.count() > 0 ? " behind" : " ahead of") +
            " the server's");
}

std::string answer_text(int error) {
    if (error == ECONNREFUSED)
        return "reset";
    if (error == ETIMEDOUT)
        return "silence";
    return std::string("unreachable: ") + std::strerror(error);
}

} // namespace xk::client
