// SPDX-License-Identifier: MIT
//
// Changes keys of a file that somebody else maintains. Every other line stays as it is, with comments, order and
// spaces. An edit that would be a guess is refused, and the error says which line to change by hand, and how.
#pragma once

#include "protocol/base/result.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace xk::yaml {

// A key of the outermost mapping and its new value, as YAML in one line ("30s", "[a, b]"). Nothing: the key is removed.
struct Edit {
    std::string key;
    std::optional<std::string> value;
};

// The text after the edits. It is read again to prove that nothing else changed. `file` is only for errors.
//  - A key with its value in the same line gets the new value; a comment behind it stays.
//  - A new key is added behind the last line.
//  - A key is removed with its line, unless there is a comment in it.
// Refused: a value over several lines, a file in braces, anchors and aliases, more than one key in a line.
Result<std::string> edit_mapping(std::string_view text, const std::string& file, const std::vector<Edit>& edits);

} // namespace xk::yaml
