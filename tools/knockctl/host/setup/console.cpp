// SPDX-License-Identifier: MIT
#include "tools/knockctl/host/setup/console.h"

#include "protocol/base/quote.h"
#include "tools/knockctl/host/setup/words.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <iostream>

namespace xk::tools::setup {
namespace {

constexpr std::size_t kLongestLine = 4096;

volatile sig_atomic_t interrupted = 0;
std::array<struct sigaction, 4> former;
constexpr std::array kSignals = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};

void note_signal(int number) {
    if (number != SIGPIPE)
        interrupted = 1;
}

} // namespace

Error stopped(Line::Kind kind) { return Error{kind == Line::interrupted ? "stopped" : "stopped: the input ended", {}}; }

Terminal::Terminal(bool asks, bool speaks) : asks_(asks), speaks_(speaks) {
    interrupted = 0;
    struct sigaction action {};
    action.sa_handler = note_signal; // without SA_RESTART: poll(2) and read(2) return
    for (std::size_t i = 0; i < kSignals.size(); ++i)
        ::sigaction(kSignals.at(i), &action, &former.at(i));
}

Terminal::~Terminal() {
    for (std::size_t i = 0; i < kSignals.size(); ++i)
        ::sigaction(kSignals.at(i), &former.at(i), nullptr);
}

bool Terminal::was_interrupted() const { return interrupted != 0; }

void Terminal::say(const std::string& text) { show(as_lines(text) + "\n"); }

void Terminal::show(std::string_view text) {
    if (speaks_)
        std::cout << text << std::flush;
}

std::optional<Line> Terminal::take_line() {
    const auto end = input_.find('\n');
    if (end == std::string::npos && input_.size() < kLongestLine)
        return std::nullopt;
    Line line{Line::text, input_.substr(0, end)};
    input_.erase(0, end == std::string::npos ? end : end + 1);
    return line;
}

std::optional<Line> Terminal::wait_for_line(std::chrono::milliseconds time) {
    const auto until = std::chrono::steady_clock::now() + time;
    for (;;) {
        if (interrupted != 0)
            return Line{Line::interrupted};
        if (auto line = take_line())
            return line;
        if (asks_ && has_ended_)
            return Line{Line::ended};
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now()).count();
        if (left <= 0)
            return std::nullopt;
        pollfd input{asks_ ? STDIN_FILENO : -1, POLLIN, 0};
        // A signal between the look at `interrupted` and poll(2) is noticed a little later.
        if (::poll(&input, 1, static_cast<int>(std::min<long long>(left, 200))) <= 0 || input.revents == 0)
            continue;
        char buffer[512];
        const ssize_t n = ::read(STDIN_FILENO, buffer, sizeof buffer);
        if (n > 0)
            input_.append(buffer, static_cast<std::size_t>(n));
        else if (n == 0 || errno != EINTR)
            has_ended_ = true; // also where the terminal is gone
    }
}

Line Terminal::ask(const std::string& question) {
    show(as_lines(question));
    for (;;)
        if (auto line = wait_for_line(std::chrono::hours(1))) {
            if (line->kind != Line::text)
                show("\n");
            return *line;
        }
}

Result<bool> ask_yes_no(Console& console, const std::string& question, bool standard) {
    return ask_until<bool>(console, question, standard ? "Y/n" : "y/N", [&](const std::string& answer) -> Result<bool> {
        if (answer == "Y/n" || answer == "y/N") // Enter
            return standard;
        std::string word;
        for (const char c : answer)
            word += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        if (word == "y" || word == "yes")
            return true;
        if (word == "n" || word == "no")
            return false;
        return Error{in_quotes(answer) + " is neither yes nor no", "type y or n"};
    });
}

} // namespace xk::tools::setup
