// SPDX-License-Identifier: MIT
//
// From nothing to a Daemon that can begin: configuration, directories, the worker in its sandbox, and the privileges
// that are kept. The steps are in one function, in their order.
#pragma once

#include "daemon/daemon.h"

#include <memory>
#include <string>

namespace xk {

struct Options {
    std::string config_file;
    std::string worker_executable;
    std::string hooks_executable;
};

Result<std::unique_ptr<Daemon>> start_up(const Options& options);

// xknockd --remove: takes away the fence, the pins and the files in /run.
Result<void> remove_traces(const std::string& config_file);

} // namespace xk
