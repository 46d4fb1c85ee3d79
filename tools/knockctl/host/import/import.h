// SPDX-License-Identifier: MIT
//
// "knockctl import": users, services and listeners of another program's server become those of this configuration, all
// of them or none, in the same way as by "knockctl user add".
#pragma once

#include "tools/knockctl/control.h"
#include "tools/knockctl/import_options.h"

namespace xk::tools {

// Reports every line of the file; returns the exit code.
int run_import(const ImportOptions& options, const Control& control);

} // namespace xk::tools
