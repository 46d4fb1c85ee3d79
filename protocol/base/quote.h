// SPDX-License-Identifier: MIT
//
// Escapes foreign text for a log, a terminal or a file that people read. Bytes that could end a line, move a cursor,
// reorder the text or break UTF-8 are written as \xNN.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace xk {

// Printable ASCII stays, except the backslash; everything else becomes \xNN, byte by byte. At most
// `limit` bytes of the input are shown, then "...".
std::string printable(std::string_view text, std::size_t limit = 200);

// These escape a whole text. printable() may have escaped parts of it already, so the backslash stays and nothing is
// escaped twice. Everything that is printed or logged goes through one of these last. as_lines() keeps line ends.
std::string as_line(std::string_view text);
std::string as_lines(std::string_view text);

// printable() in double quotes.
std::string in_quotes(std::string_view text, std::size_t limit = 200);

// A name that this project gives to users, devices and services: 1 to 32 characters of a-z, A-Z,
// 0-9, "-", "_" and ".", the first a letter or digit. So it is safe in file names, nft comments and logs.
bool is_name(std::string_view text);
inline constexpr std::size_t kMaxName = 32;

} // namespace xk
