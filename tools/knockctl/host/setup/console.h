// SPDX-License-Identifier: MIT
//
// The person at the terminal: what is said to them, and their answers, line by line. With --yes nobody answers.
#pragma once

#include "protocol/base/result.h"

#include <chrono>
#include <functional>
#include <optional>
#include <string>

namespace xk::tools::setup {

struct Line {
    enum Kind {
        text,
        ended,       // no input is left
        interrupted, // Ctrl-C, or the terminal is gone
    } kind = text;
    std::string text_of = {}; // without the end of the line
};

class Console {
  public:
    virtual ~Console() = default;
    // One line, or several. Everything that could move the cursor is escaped.
    virtual void say(const std::string& text) = 0;
    // A text of our own that the terminal is to get as it is: a QR code.
    virtual void show(std::string_view text) = 0;
    // Prints the question and waits for a line.
    virtual Line ask(const std::string& question) = 0;
    // Waits at most so long for a line. Nothing: none came.
    virtual std::optional<Line> wait_for_line(std::chrono::milliseconds time) = 0;
    // Whether somebody said Ctrl-C meanwhile.
    virtual bool was_interrupted() const = 0;
};

// The error for a line that is no text.
Error stopped(Line::Kind kind);

// Standard input and output. `asks`: somebody answers; otherwise nothing is read, and ask() must not be called.
// `speaks`: say() and show() print. From the constructor on SIGINT, SIGTERM and SIGHUP only set was_interrupted(), so
// that nothing is left half written. There can be one at a time.
class Terminal : public Console {
  public:
    Terminal(bool asks, bool speaks);
    ~Terminal() override;
    void say(const std::string& text) override;
    void show(std::string_view text) override;
    Line ask(const std::string& question) override;
    std::optional<Line> wait_for_line(std::chrono::milliseconds time) override;
    bool was_interrupted() const override;

  private:
    std::optional<Line> take_line();

    bool asks_, speaks_, has_ended_ = false;
    std::string input_;
};

// Asks until `parse` takes the answer. An empty answer stands for `standard`; without one it is asked again.
template <typename T>
Result<T> ask_until(Console& console, const std::string& question, const std::string& standard,
                    const std::function<Result<T>(const std::string&)>& parse) {
    for (;;) {
        Line line = console.ask(question + (standard.empty() ? "" : " [" + standard + "]") + ": ");
        if (line.kind != Line::text)
            return stopped(line.kind);
        const auto first = line.text_of.find_first_not_of(" \t"), last = line.text_of.find_last_not_of(" \t");
        std::string answer = first == std::string::npos ? standard : line.text_of.substr(first, last - first + 1);
        if (answer.empty()) {
            console.say("  Please type an answer; there is none that is right everywhere.");
            continue;
        }
        auto parsed = parse(answer);
        if (parsed)
            return parsed;
        console.say("  " + parsed.error().message +
                    (parsed.error().hint.empty() ? "" : "\n  hint: " + parsed.error().hint));
    }
}

Result<bool> ask_yes_no(Console& console, const std::string& question, bool standard);

} // namespace xk::tools::setup
