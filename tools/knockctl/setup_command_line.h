// SPDX-License-Identifier: MIT
//
// The command line of "knockctl setup".
#pragma once

#include "tools/knockctl/setup_options.h"

#include <CLI/CLI.hpp>

namespace xk::tools {

// Adds the verb. Its options are written to `options` when the command line is parsed.
CLI::App* add_setup(CLI::App& app, SetupOptions& options);

} // namespace xk::tools
