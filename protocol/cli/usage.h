// SPDX-License-Identifier: MIT
//
// What is wrong with a command line, in words of our own and with the next step. CLI11 says "A subcommand is required"
// for a misspelt verb, and names no near one.
#pragma once

#include "protocol/base/result.h"

#include <CLI/App.hpp>
#include <CLI/Error.hpp>

namespace xk {

// The message for a fault that app.parse() threw; exit code 2.
Error usage_error(const CLI::App& app, const CLI::ParseError& fault);

// Ends a program whose app.parse() threw: prints help or version where that was asked for, or usage_error() as
// "PROGRAM: ..." to standard error. Returns the exit code.
int finish_usage(const CLI::App& app, const char* program, const CLI::ParseError& fault);

} // namespace xk
