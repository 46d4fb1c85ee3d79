// SPDX-License-Identifier: MIT
//
// The verbs that look at the host or write to it. knockctl-host has them; knockctl hands its command line over to
// knockctl-host, because the libraries that these verbs need take longer to load than a ban takes (fail2ban).
#pragma once

#include "protocol/request.h"
#include "tools/knockctl/control.h"

#include <string>
#include <vector>

namespace xk::tools {

struct KeygenOptions {
    std::string config_file;
    std::string user;
    std::string device;
    FactorKind factor = FactorKind::totp;
    unsigned digits = 6;
    std::vector<std::string> services; // for a new user; none: all that the server names
    std::vector<std::string> hosts;    // host names and addresses that the profile is for
    std::string server;                // where to knock, if not there
    std::string profile_file;          // where to write the profile; empty: ./xknock-USER-DEVICE.yaml
};

// Each returns the exit code. `file` is the configuration file.
struct HostVerbs {
    int (*put_on_trial)(const Control& control, const std::string& file, const std::string& time);
    int (*check)(const std::string& file, bool as_json);
    int (*examine)(const std::string& file, const Control& control);
    int (*keep_identity)(const std::string& file, bool as_json);
    int (*make_new_identity)(const std::string& file, bool as_json);
    int (*keygen)(const KeygenOptions& options, bool as_json, bool no_qr);
};

} // namespace xk::tools
