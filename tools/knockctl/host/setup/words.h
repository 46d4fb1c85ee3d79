// SPDX-License-Identifier: MIT
//
// What several steps of the set-up need and is too small for a place of its own.
#pragma once

#include "protocol/base/result.h"

#include <unistd.h>

#include <cctype>
#include <string>
#include <utility>
#include <vector>

namespace xk::tools::setup {

inline std::string join(const std::vector<std::string>& words, const char* between) {
    std::string text;
    for (const std::string& word : words)
        text += (text.empty() ? "" : between) + word;
    return text;
}

inline std::string lower(std::string text) {
    for (char& c : text)
        c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return text;
}

// The error for an argument or an answer that makes no sense.
inline Error usage_error(std::string message, std::string hint) {
    return {std::move(message), std::move(hint), Exit::usage};
}

// Whether there is a file of this name.
inline bool is_there(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

} // namespace xk::tools::setup
