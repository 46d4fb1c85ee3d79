// SPDX-License-Identifier: MIT
//
// Brings a change of users to the daemon that runs by this configuration, or checks it where none runs.
#pragma once

#include "protocol/base/result.h"
#include "tools/knockctl/control.h"
#include "tools/knockctl/user_options.h"

#include <set>
#include <string>
#include <vector>

namespace xk::tools {

class DaemonLink {
  public:
    // The socket that the command line names, or else the one in paths.run of the configuration.
    DaemonLink(const UserOptions& options, const Control& control);

    // Whether somebody listens there.
    bool runs() const { return runs_; }
    const Control& control() const { return control_; }

    struct Told {
        bool runs = false;
        std::vector<std::string> warnings;
    };
    // Lets the daemon read the files of these users; everything where `users` is empty. `change` is for its log. Where
    // no daemon runs, reads the whole configuration as it would: a fault in a file of these users is an error.
    Result<Told> reload(const std::set<std::string>& users, const std::string& change) const;

  private:
    Result<Told> check(const std::set<std::string>& users) const;

    std::string config_file_;
    Control control_;
    bool runs_ = false;
};

} // namespace xk::tools
