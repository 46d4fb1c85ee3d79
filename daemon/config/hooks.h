// SPDX-License-Identifier: MIT
//
// Hooks: what runs when a service opens for somebody, and when it closes again (docs/configuration.md, "hooks").
// Argument lists as they are executed; no shell reads them.
#pragma once

#include "protocol/yaml/document.h"

#include <cstddef>
#include <string>
#include <vector>

namespace xk::config {

struct Config;

inline constexpr std::size_t kMaxHookArguments = 16; // of one hook, the program among them
inline constexpr std::size_t kMaxHookBytes = 1024;   // all of them, each with a zero behind it

struct ServiceHooks {
    std::vector<std::string> on_open, on_close; // empty: nothing runs
};

// "on_open" and "on_close" of a service's mapping.
ServiceHooks read_service_hooks(yaml::Section& service);

// "hooks" of the main file. What it is compared with, the other users and the groups, has been read before.
void read_hooks(yaml::Section& main, Config& config);

} // namespace xk::config
