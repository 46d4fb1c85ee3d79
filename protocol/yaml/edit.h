// SPDX-License-Identifier: MIT
//
// Changes single keys of a file that somebody else keeps. Every other line stays as it is, comments, order and spaces
// too. What cannot be changed without a guess is refused, and the error says which line to change by hand, and how.
#pragma once

#include "protocol/base/result.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace xk::yaml {

// A key of the file's outermost mapping and what is to follow it, as "30s" or "[a, b]": YAML in one line. Nothing: the
// key is to go.
struct Edit {
    std::string key;
    std::optional<std::string> value;
};

// The text after the edits; it is read again, and holds them and nothing else that is new. `file` is for errors alone.
//  - A key whose value stands in its own line gets the new value; a comment behind it stays.
//  - A key that is not there yet comes behind the last line.
//  - A key that is to go is taken out with its line, unless there is a comment in it.
// Refused: a value over several lines, a file in braces, anchors and aliases, more than one key in a line.
Result<std::string> edit_mapping(std::string_view text, const std::string& file, const std::vector<Edit>& edits);

} // namespace xk::yaml
