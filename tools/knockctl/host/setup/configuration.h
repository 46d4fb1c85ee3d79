// SPDX-License-Identifier: MIT
//
// The configuration that the set-up writes, and what one that is there says.
#pragma once

#include "daemon/config/config.h"
#include "protocol/base/result.h"
#include "tools/knockctl/doctor/finding.h"
#include "tools/knockctl/host/setup/answers.h"
#include "tools/knockctl/setup_options.h"

#include <string>

namespace xk::tools::setup {

// A whole file, with comments.
std::string configuration_text(const Answers& answers);

// Reads the text as the daemon would read it in the place of `file`, with the users that are there. Nothing stays. An
// error names `file`.
Result<config::Config> check_text(const std::string& file, const std::string& text);

// Puts the text to `file` in one step. A file that is there is an error, or with `replace` it is kept as
// FILE.before-setup.
Result<void> put_configuration(const std::string& file, const std::string& text, bool replace);

// What of this host would keep those out who have a grant: the doctor's findings about other people's rules, bridges of
// guests, the knock port and the kernel. Those that are well are left out.
Findings find_obstacles(const config::Config& config);

// "ssh (tcp/22)", as the configuration has them.
std::string services_text(const config::Config& config);

// Options that the configuration does not meet. It stays as it is, so they would be ignored silently.
Result<void> check_kept(const config::Config& config, const SetupOptions& options, const Surroundings& around);

} // namespace xk::tools::setup
