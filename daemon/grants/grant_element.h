// SPDX-License-Identifier: MIT
//
// The private data of a grant's element in its set: for each holder the credential's id (8 bytes) and the end of its
// time (boot time in nanoseconds, 8 bytes, big-endian). From it the book is read back after a restart.
#pragma once

#include "daemon/authz/grant_book.h"

#include <cstdint>
#include <vector>

namespace xk {

std::vector<std::uint8_t> encode_holders(const std::vector<authz::Holder>& holders);
// No holders where the bytes are not of this form: the element is somebody else's.
std::vector<authz::Holder> decode_holders(const std::vector<std::uint8_t>& data);

} // namespace xk
