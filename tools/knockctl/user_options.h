// SPDX-License-Identifier: MIT
//
// UserOptions: the command line of "knockctl user VERB" and of "knockctl keygen", as knockctl-host gets it.
#pragma once

#include <string>
#include <vector>

namespace xk::tools {

enum class UserVerb { add, list, show, set, disable, enable, rename, remove, rotate, qr, profile };

struct UserOptions {
    UserVerb verb = UserVerb::list;
    std::string config_file;
    bool socket_is_given = false;      // else the socket is in paths.run of the configuration
    std::string who;                   // "anna", or "anna/laptop"
    std::string device;                // add: its name
    std::string new_name;              // rename
    std::vector<std::string> settings; // set: "KEY=VALUE"; "KEY=" takes the key out
    // add
    std::string factor, digits;        // empty: totp, or hmac for a machine; 6
    bool machine = false;              // --machine: factor hmac, whose secret is in the profile
    std::vector<std::string> services; // of a new user; none: all, also those that come later
    std::string same_code_as;          // FILE, "-", or USER/DEVICE
    // the profile, where a verb makes one
    std::vector<std::string> hosts;
    std::string server;
    std::string profile_file; // empty: ./xknock-USER-DEVICE.yaml
    std::string login, spool; // put it into the spool, for this login to fetch
    bool bundle = false;
    std::string passphrase_file; // of the bundle; "-": standard input; empty: it is asked for
    bool portable = false;
    // the code's secret, where a verb shows it
    bool no_qr = false;
    std::string png, svg;
    bool now = false;       // disable, remove: close grants and end sessions too
    bool yes = false;       // remove: without a question
    bool code_only = false; // rotate
    bool no_reload = false;
};

} // namespace xk::tools
