// SPDX-License-Identifier: MIT
//
// From nothing to a Daemon that can begin: configuration, directories, the worker in its sandbox, and the privileges
// that are kept. The steps are in one function, in their order.
#pragma once

#include "daemon/lifecycle/daemon.h"

#include <memory>
#include <string>

namespace xk {

struct Options {
    std::string config_file;
    std::string worker_executable;
    std::string hooks_executable;
    std::optional<std::chrono::seconds> trial; // --try
    bool dry_run = false;
    bool force = false; // although whoever starts us locks himself out
};

Result<std::unique_ptr<Daemon>> start_up(const Options& options);

// After a start that failed: where a table of ours stands, the log and the service manager say that the ports are shut,
// that nobody is judged, and the way out.
void say_shut(const Options& options, const Error& why);

// xknockd --remove: takes away the ruleset, the pins and the files in /run.
Result<void> remove_traces(const std::string& config_file);

// Takes away the ruleset, what would put it up again (last_good.h), and the pins; of the administrator's own sets (mode
// "external") the elements that are ours.
Result<void> take_gate_away(const config::Config& config, nft::Socket& nft);

// The end of a trial that nobody confirmed, when the gate is gone: an error that says so, with the code for it.
Error forget_trial(const config::Config& config, Trial& trial);

} // namespace xk
