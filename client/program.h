// SPDX-License-Identifier: MIT
//
// A program that gives a code: one of the user's own settings, or one that asks a person.
#pragma once

#include "client/question.h"
#include "protocol/base/result.h"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace xk::client {

// Runs the program and returns its output without white space at the ends. No shell runs it, and its standard input is
// empty. It is ended when the time is over, or when `opened` comes true; then there is no output.
Result<std::optional<std::string>> run_for_output(const std::vector<std::string>& command,
                                                  std::optional<std::chrono::seconds> time, const Opened& opened);

} // namespace xk::client
