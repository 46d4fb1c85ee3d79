// SPDX-License-Identifier: MIT
//
// Temporary files of writes that were cut off by kill -9 or a power cut. One may be a second name of the file that it
// became, and files with two names are refused; one of a secret must not lie about.
#pragma once

#include "protocol/base/result.h"

#include <string>

namespace xk::tools::setup {

// Whether write_file() makes such names: "xknock.yaml.1f2e3d4c", "anna.laptop.key.00000000".
bool is_temporary(const std::string& name);

// Removes those in the directory that are older than a second. The second is for a write that is under way.
Result<void> remove_leftovers(const std::string& directory);

} // namespace xk::tools::setup
