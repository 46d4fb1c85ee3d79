// SPDX-License-Identifier: MIT
//
// Obtains a one-time code: from the command line, a program, a stored secret, or a person at the terminal. It never
// uses standard input or output, because ssh's stream goes through them.
#pragma once

#include "client/profile.h"
#include "protocol/base/result.h"

#include <optional>
#include <string>

namespace xk::client {

// Digits as the profile wants them. `given` (--otp) wins; then otp_command, otp_secret, then a question on /dev/tty,
// or through $SSH_ASKPASS where there is no terminal. Blanks that authenticators show are taken out.
Result<std::string> obtain_code(const Profile& profile, const std::optional<std::string>& given);

// Runs the program and returns its output without white space at the ends. No shell runs it, its standard input is
// empty, and it has 30 seconds.
Result<std::string> run_for_output(const std::vector<std::string>& command);

// Asks on the terminal without echo. Ctrl-C gives the terminal back and is an error.
Result<std::string> ask_on_terminal(const std::string& prompt);

} // namespace xk::client
