// SPDX-License-Identifier: MIT
//
// Shows a TOTP or HOTP secret to an authenticator: as the URI that authenticators read, and as its QR code.
#pragma once

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"
#include "protocol/request.h"

#include <string>

namespace xk::tools {

struct Owner {
    std::string user, device;
};

// "otpauth://totp/...", or for `kind` hotp "otpauth://hotp/..." with counter 0, as authenticators read it (Key URI
// Format). `host` may be empty. It holds the secret.
std::string otpauth_uri(FactorKind kind, const Owner& owner, const std::string& host, ByteView secret, unsigned digits);

// The QR code of a text, for a terminal: two modules in a character. With `colours`, black on white whatever the
// terminal's own colours are.
Result<std::string> qr_code(const std::string& text, bool colours);

} // namespace xk::tools
