// SPDX-License-Identifier: MIT
//
// Reads secrets from descriptors that xknockd opened and checked: one line of base64 or base32, straight into locked
// memory.
#pragma once

#include "daemon/authz/judge.h"
#include "protocol/base/fd.h"
#include "protocol/keys.h"

namespace xk::config {

// 44 characters of base64 and white space. False for anything else, and for a key of zeros, which everybody knows.
bool read_key_file(const Fd& fd, Key& out);

// totp and hotp: 20 to 64 bytes in base32. hmac: 32 bytes in base64. False for anything else, and for zeros alone.
bool read_factor_file(const Fd& fd, FactorKind kind, authz::FactorSecret& out);

} // namespace xk::config
