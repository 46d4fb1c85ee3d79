// SPDX-License-Identifier: MIT
//
// Reads files of other users as root: a bounded number of bytes, regular files only, and no link that leads elsewhere.
#pragma once

#include "protocol/base/result.h"

#include <cstddef>
#include <functional>
#include <string>

namespace xk::tools {

// Reads a file of root's, which may be behind a link. The error's message is empty where the file is missing or not a
// regular file. It is an error if somebody else can write the file, or if it is larger than `most` bytes.
Result<std::string> read_of_root(const std::string& path, std::size_t most);

// The first bytes of a file that anybody may have made.
struct Beginning {
    std::string name, text;
    bool open_to_others; // for reading or writing
};

// Calls `act` with the first `most` bytes of each regular file in the directory whose name ends in
// `suffix`. Neither the last `below` parts of the path nor the files may be links: whoever owns
// them would choose what root reads. Of a directory with very many files some are left out.
void each_beginning(const std::string& directory, int below, const std::string& suffix, std::size_t most,
                    const std::function<void(const Beginning&)>& act);

} // namespace xk::tools
