// SPDX-License-Identifier: MIT
//
// Reading secrets from descriptors that xknockd opened and checked: one line of base64 or base32, straight into
// locked memory.
#pragma once

#include "daemon/authz/judge.h"
#include "protocol/base/fd.h"
#include "protocol/keys.h"

namespace xk::config {

// 44 characters of base64, white space at the end. False when it is anything else, or a key of zeros: everybody has
// that one.
bool read_key_file(const Fd& fd, Key& out);

// For totp a secret of 20 to 64 bytes in base32, for hmac 32 bytes in base64; not all of them zero.
bool read_factor_file(const Fd& fd, FactorKind kind, authz::FactorSecret& out);

} // namespace xk::config
