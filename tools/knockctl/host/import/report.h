// SPDX-License-Identifier: MIT
//
// What "knockctl import" tells: what was taken over, what has no equivalent and what takes its place, and what is left
// to do.
#pragma once

#include "tools/knockctl/host/import/plan.h"

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace xk::tools::takeover {

struct ImportReport {
    std::vector<std::string> files, warnings;
    bool wrote = false, reloaded = false;
};

nlohmann::json json_of(const ImportReport& report, const Plan& plan, const ImportOptions& options);
std::string text_of(const ImportReport& report, const Plan& plan, const ImportOptions& options);

} // namespace xk::tools::takeover
