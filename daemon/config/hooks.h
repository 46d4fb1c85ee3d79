// SPDX-License-Identifier: MIT
//
// Hooks: the programs that run when a service opens for somebody, and when it closes again (docs/configuration.md,
// "hooks"). They are argument lists, and no shell reads them.
#pragma once

#include "daemon/config/account.h"

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace xk::config {

inline constexpr std::size_t kMaxHookArguments = 16; // of one hook, with the program
inline constexpr std::size_t kMaxHookBytes = 1024;   // of all arguments, each with a zero behind it

struct ServiceHooks {
    std::vector<std::string> on_open, on_close; // empty: nothing runs
};

struct Hooks {
    Account account; // set if there is a hook
    std::chrono::seconds time_limit{10};
    std::vector<ServiceHooks> services; // same index as in Policy::services
    bool any() const;
};

} // namespace xk::config
