// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <system_error>
#include <vector>

namespace xk {

// The entries of a directory. `code` says why it could not be read, or not to its end; what was read is returned. A
// range-for over std::filesystem::directory_iterator throws where reading fails half way, and may skip entries or meet
// them twice where the loop removes some.
std::vector<std::filesystem::directory_entry> entries_of(const std::filesystem::path& directory, std::error_code& code);

} // namespace xk
