// SPDX-License-Identifier: MIT
#include "tools/knockctl/host/otpauth.h"

#include "protocol/encoding.h"

#include <qrencode.h>

#include <cctype>
#include <cstdio>
#include <memory>

namespace xk::tools {
namespace {

std::string percent_encoded(const std::string& text) {
    std::string out;
    for (const char c : text) {
        if (std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' || c == '_' || c == '~') {
            out += c;
            continue;
        }
        char hex[4];
        std::snprintf(hex, sizeof hex, "%%%02X", static_cast<unsigned char>(c));
        out += hex;
    }
    return out;
}

} // namespace

std::string otpauth_uri(FactorKind kind, const Owner& owner, const std::string& host, ByteView secret,
                        unsigned digits) {
    const std::string issuer = percent_encoded("xknock" + (host.empty() ? "" : " " + host));
    return "otpauth://" + std::string(name_of(kind)) + "/" + issuer + ":" +
           percent_encoded(owner.user + "/" + owner.device) + "?secret=" + to_base32(secret) + "&issuer=" + issuer +
           "&algorithm=SHA1&digits=" + std::to_string(digits) +
           (kind == FactorKind::hotp ? "&counter=0" : "&period=30");
}

Result<std::string> qr_code(const std::string& text, bool colours) {
    const std::unique_ptr<QRcode, decltype(&::QRcode_free)> code(
        ::QRcode_encodeString8bit(text.c_str(), 0, QR_ECLEVEL_L), ::QRcode_free);
    if (!code)
        return os_error("making a QR code");
    const int size = code->width, quiet = 2;
    const auto dark = [&](int x, int y) {
        return x >= 0 && y >= 0 && x < size && y < size && (code->data[y * size + x] & 1) != 0;
    };
    std::string out;
    for (int y = -quiet; y < size + quiet; y += 2) {
        out += colours ? "\033[30;47m" : "";
        for (int x = -quiet; x < size + quiet; ++x) {
            // With colours a dark module is the black foreground. Without colours the terminal is assumed to be dark,
            // and the light modules are drawn.
            const bool upper = dark(x, y) == colours, lower = dark(x, y + 1) == colours;
            out += upper ? (lower ? "█" : "▀") : (lower ? "▄" : " ");
        }
        out += colours ? "\033[0m\n" : "\n";
    }
    return out;
}

} // namespace xk::tools
