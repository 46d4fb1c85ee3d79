// SPDX-License-Identifier: MIT
//
// ImportOptions: the command line of "knockctl import", as knockctl-host gets it.
#pragma once

#include <string>
#include <vector>

namespace xk::tools {

struct ImportOptions {
    std::string kind; // capyknock, c-lock, hknock, fwknop, knockd
    std::string file;
    std::string config_file;
    bool socket_is_given = false;      // else the socket is in paths.run of the configuration
    std::string user;                  // for who has no name in the file
    std::vector<std::string> services; // where the file does not say what was opened; none: all
    std::string port;                  // of the listener for fwknop's packets
    std::string accepted_odds;         // c-lock: max_guess_odds, which the operator accepts
    bool dry_run = false;
    bool yes = false; // ports may be shut that are open now
    bool no_reload = false;
};

} // namespace xk::tools
