// SPDX-License-Identifier: MIT
//
// One question to a person: on the terminal without echo, or through a program of the desktop. He has all the time that
// he wants. Standard input and output stay untouched, because ssh's stream goes through them.
#pragma once

#include "protocol/base/result.h"

#include <chrono>
#include <functional>
#include <optional>
#include <string>

namespace xk::client {

using Opened = std::function<bool(std::chrono::milliseconds)>;

struct Answer {
    enum Kind { text, opened, stopped } kind; // stopped: the terminal wants us to stop (Ctrl-Z)
    std::string code;
};

// Whether ssh would ask by $SSH_ASKPASS, by its own rules for SSH_ASKPASS_REQUIRE, DISPLAY and WAYLAND_DISPLAY. The
// program, or nothing where the terminal is to be asked, or nobody can be.
std::optional<std::string> askpass_program(bool has_terminal);

// The last line of `prompt` goes away when `opened` comes true.
Result<Answer> ask_on_terminal(int tty, const std::string& prompt, const Opened& opened);

} // namespace xk::client
