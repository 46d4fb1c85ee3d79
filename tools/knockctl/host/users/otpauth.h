// SPDX-License-Identifier: MIT
//
// Shows a TOTP or HOTP secret to an authenticator: as the URI that authenticators read, and as its QR code, which fits
// a terminal of 80 columns and 24 lines.
#pragma once

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"
#include "protocol/request.h"
#include "tools/knockctl/host/users/wiped_text.h"

#include <cstdint>
#include <string>
#include <vector>

namespace xk::tools {

struct Owner {
    std::string user, device;
};

// The longest text of a QR code of 41 modules (version 6, level L, binary), which has 23 lines on a terminal.
inline constexpr std::size_t kMostQrText = 134;

// "otpauth://totp/...", or for `kind` hotp "otpauth://hotp/..." with counter 0, as authenticators read it (Key URI
// Format). `host` may be empty. It holds the secret, and has no more than kMostQrText bytes: the label is shortened
// where it must be. What has its usual value (SHA1, 6 digits, 30 seconds) is left out. The label has one colon, between
// issuer and account, because some applications look for the first one and others for the last.
WipedText otpauth_uri(FactorKind kind, const Owner& owner, const std::string& host, ByteView secret, unsigned digits);

// The modules of a QR code, row by row.
class QrCode {
  public:
    static Result<QrCode> of(const WipedText& text);

    // For a terminal: two modules in a character. With `colours`, black on white whatever the terminal's own colours
    // are.
    WipedText terminal_text(bool colours) const;
    // Pictures, eight pixels a module, black on white, with a title in the file.
    Result<WipedText> png(const std::string& title) const;
    WipedText svg(const std::string& title) const; // a title of printable ASCII without "<" and "&"

  private:
    bool is_dark(int x, int y) const {
        return x >= 0 && y >= 0 && x < size_ && y < size_ && modules_[static_cast<std::size_t>(y * size_ + x)] != 0;
    }

    int size_ = 0;
    WipedText modules_;
};

} // namespace xk::tools
