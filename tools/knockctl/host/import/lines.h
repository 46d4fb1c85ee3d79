// SPDX-License-Identifier: MIT
//
// Lines and words of a foreign file, and the file itself.
#pragma once

#include "protocol/base/result.h"
#include "protocol/service.h"
#include "tools/knockctl/host/users/wiped_text.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace xk::tools::takeover {

inline constexpr std::size_t kMostSource = std::size_t{1024} * 1024; // bytes
inline constexpr std::size_t kMostLine = 1024;                       // bytes; fwknopd reads no longer ones

struct Source {
    WipedText text;
    bool others_can_read = false;
};
// Refused: a link, what is no regular file, what others than root and its owner may write, more than kMostSource bytes,
// and a NUL.
Result<Source> read_source(const std::string& path);

struct TextLine {
    std::size_t number = 0; // from 1
    std::string_view text;  // without white space at both ends
};
std::vector<TextLine> lines_of(std::string_view text);

std::string_view trimmed(std::string_view text);
std::string lower_case(std::string_view text);
std::vector<std::string_view> split(std::string_view text, std::string_view separators);
// A decimal number of at most nine digits.
std::optional<unsigned> number_of(std::string_view text);
// "22", "6000:6010" or "6000-6010"
std::optional<PortRange> port_range(IpProtocol protocol, std::string_view text);

// The secret of a code for our file: 20 bytes at least, with zeros behind a shorter one, because HMAC takes a key for
// the same with zeros behind it. Nothing where it is no base32 or has less than the 16 bytes that RFC 4226 (R6) asks
// for, or more than 64.
std::optional<WipedText> code_secret(std::string_view base32);

Error not_of_kind(const std::string& file, const std::string& kind, const std::string& what, std::string hint);

} // namespace xk::tools::takeover
