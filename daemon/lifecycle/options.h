// SPDX-License-Identifier: MIT
//
// The command line of xknockd.
#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace xk {

struct Options {
    std::string config_file;
    std::string worker_executable;
    std::string hooks_executable;
    std::optional<std::chrono::seconds> trial{}; // --try
    bool dry_run = false;
    bool force = false; // start even if that locks out the operator who starts it
};

} // namespace xk
