// SPDX-License-Identifier: MIT
#include "client/program.h"

#include "client/child.h"
#include "protocol/base/clock.h"
#include "protocol/base/quote.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>

namespace xk::client {
namespace {

constexpr std::size_t kMaxOutput = 4096;
constexpr std::chrono::milliseconds kLook{50}, kSoon{5}; // at a person; at a program

std::string trimmed(std::string text) {
    constexpr const char* kBlank = " \t\r\n";
    text.erase(text.find_last_not_of(kBlank) + 1);
    text.erase(0, text.find_first_not_of(kBlank));
    return text;
}

// Takes what is there to read now; false at the end of the output.
bool read_more(const Child& child, std::string& text) {
    pollfd ready{child.output(), POLLIN, 0};
    while (text.size() <= kMaxOutput && ::poll(&ready, 1, 0) > 0) {
        char chunk[512];
        const ssize_t n = ::read(child.output(), chunk, sizeof chunk);
        if (n == 0 || (n < 0 && errno != EINTR))
            return false;
        text.append(chunk, static_cast<std::size_t>(n > 0 ? n : 0));
    }
    return true;
}

} // namespace

Result<std::optional<std::string>> run_for_output(const std::vector<std::string>& command,
                                                  std::optional<std::chrono::seconds> time, const Opened& opened) {
    auto running = Child::start(command);
    if (!running)
        return running.error();
    const auto begin = BootClock::now();
    std::string text;
    std::optional<int> ended;
    // A program may close its output and run on.
    for (bool has_output = true;;) {
        has_output = has_output && read_more(*running, text);
        if (text.size() > kMaxOutput)
            return Error{in_quotes(command[0]) + " says too much for a code", {}};
        if (!has_output && (ended = running->exit_code()))
            break;
        if (time && BootClock::now() - begin >= *time)
            return Error{in_quotes(command[0]) + " gave no code in " + std::to_string(time->count()) + " s", {}};
        if (opened(time || !has_output ? kSoon : kLook))
            return std::optional<std::string>();
    }
    if (ended != 0)
        return Error{in_quotes(command[0]) + " failed", {}};
    return std::optional(trimmed(text));
}

} // namespace xk::client
