// SPDX-License-Identifier: MIT
//
// What the command line of "knockctl setup" says. An empty member is a question that is asked, or with --yes a default.
#pragma once

#include <string>
#include <vector>

namespace xk::tools {

struct SetupOptions {
    std::string config_file = "/etc/xknock/xknock.yaml";
    std::string only;                    // one step; empty: all of them
    bool yes = false;                    // nobody is asked
    std::vector<std::string> interfaces; // where knocks come in
    std::vector<std::string> hide;       // "tcp/22", "web=tcp/80,tcp/443", the name of a program that listens
    std::vector<std::string> allow;      // networks that need no knock; "mine": the caller's own address
    std::string port;                    // of knocks
    std::string user, device, login, factor;
    std::vector<std::string> hosts; // by which clients reach this host
    std::string profile_file;       // the profile goes here, and not to the spool
    std::string time = "10m";       // of the trial
    bool replace = false;           // a configuration that is there gives way
    bool no_start = false;          // no port is shut
    bool no_trial = false;          // for good from the first packet on
    bool no_qr = false;
};

} // namespace xk::tools
