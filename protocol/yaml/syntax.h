// SPDX-License-Identifier: MIT
//
// What is wrong with a text that is no YAML, in the words of somebody who wrote it by hand. The parser names the place
// where it gave up, which is often far behind the mistake.
#pragma once

#include "protocol/yaml/document.h"

#include <string>
#include <string_view>

namespace xk::yaml {

// Adds one fault: a tab that indents a line, a bracket or a quote that is never closed, a colon without a space, or a
// line whose indentation fits to no other; where it is none of these, what the parser says (`message`), at `place`.
void explain_syntax(std::string_view text, const Place& place, const std::string& message, Faults& faults);

// Whether the quoted scalar that begins at `place` is closed before the text ends. The parser takes one that is not for
// a value that has swallowed the rest of the file. True where no quote is at `place`.
bool is_closed(std::string_view text, const Place& place);

} // namespace xk::yaml
