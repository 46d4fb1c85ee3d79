// SPDX-License-Identifier: MIT
//
// Opens one secret file, with all checks of owner and mode.
#pragma once

#include "protocol/base/fd.h"
#include "protocol/base/result.h"

#include <set>
#include <string>

namespace xk::config {

struct Config;

// `checked`: see FileRules::checked_directories.
Result<Fd> open_secret(const Config& config, const std::string& path, std::set<std::string>* checked);

} // namespace xk::config
