// SPDX-License-Identifier: MIT
//
// The user data of a grant's set element. For each holder it has the credential's id (8 bytes) and the end of the
// holder's time (boot time in nanoseconds, 8 bytes, big-endian). After a restart the book is read back from it.
#pragma once

#include "daemon/authz/grant_book.h"

#include <cstdint>
#include <vector>

namespace xk {

std::vector<std::uint8_t> encode_holders(const std::vector<authz::Holder>& holders);
// Returns no holders where the bytes have another form: then no daemon wrote the element.
std::vector<authz::Holder> decode_holders(const std::vector<std::uint8_t>& data);

} // namespace xk
