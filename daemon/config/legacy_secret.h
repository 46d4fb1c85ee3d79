// SPDX-License-Identifier: MIT
//
// Reads the keys of old clients (docs/configuration.md, "Old clients") from descriptors that xknockd opened and
// checked, straight into locked memory.
#pragma once

#include "daemon/authz/legacy_secrets.h"
#include "daemon/authz/policy.h"
#include "protocol/base/fd.h"
#include "protocol/base/result.h"

namespace xk::config {

// capyknock: one line with the base64url of 32 bytes. fwknop: two lines, KEY_BASE64 or KEY and HMAC_KEY_BASE64 or
// HMAC_KEY, each with its value behind blanks, as ~/.fwknoprc has them. An error for anything else, and for zeros
// alone; then `out` may be filled in part. The error says which line is wrong and why, and has nothing of a key in it.
Result<void> read_legacy_secret(const Fd& fd, authz::DeviceKind kind, authz::LegacySecret& out);

} // namespace xk::config
