// SPDX-License-Identifier: MIT
//
// The options of enroll and import.
#pragma once

#include "client/arguments.h"

#include <CLI/CLI.hpp>

namespace xk::client {

void enroll_options(CLI::App& verb, Arguments& a);
void import_options(CLI::App& verb, Arguments& a);

} // namespace xk::client
