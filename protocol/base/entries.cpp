// SPDX-License-Identifier: MIT
#include "protocol/base/entries.h"

namespace xk {

std::vector<std::filesystem::directory_entry> entries_of(const std::filesystem::path& directory,
                                                         std::error_code& code) {
    std::vector<std::filesystem::directory_entry> entries;
    for (std::filesystem::directory_iterator i(directory, code), end; !code && i != end; i.increment(code))
        entries.push_back(*i);
    return entries;
}

} // namespace xk
