// SPDX-License-Identifier: MIT
//
// The command line of "knockctl import".
#pragma once

#include "tools/knockctl/import_options.h"

#include <CLI/CLI.hpp>

namespace xk::tools {

// Adds the verb. Its options are written to `options` when the command line is parsed.
CLI::App* add_import(CLI::App& app, ImportOptions& options);

} // namespace xk::tools
