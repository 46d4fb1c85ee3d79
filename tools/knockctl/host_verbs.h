// SPDX-License-Identifier: MIT
//
// The verbs that look at the host or write to it. knockctl-host has them; knockctl hands its command line over to
// knockctl-host, because the libraries that these verbs need take longer to load than a ban takes (fail2ban).
#pragma once

#include "tools/knockctl/control.h"
#include "tools/knockctl/import_options.h"
#include "tools/knockctl/setup_options.h"
#include "tools/knockctl/user_options.h"

#include <string>

namespace xk::tools {

// Each returns the exit code. `file` is the configuration file.
struct HostVerbs {
    int (*put_on_trial)(const Control& control, const std::string& file, const std::string& time);
    int (*check)(const std::string& file, bool as_json);
    int (*examine)(const std::string& file, const Control& control);
    int (*keep_identity)(const std::string& file, bool as_json);
    int (*make_new_identity)(const std::string& file, bool as_json);
    int (*set_up)(const SetupOptions& options, const Control& control);
    int (*users)(const UserOptions& options, const Control& control);
    int (*take_over)(const ImportOptions& options, const Control& control);
};

} // namespace xk::tools
