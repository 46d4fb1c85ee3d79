// SPDX-License-Identifier: MIT
//
// A code that somebody typed, beside those that their authenticator should show: it proves phone, secret and clocks
// before a port is shut.
#pragma once

#include "daemon/authz/factor.h"
#include "daemon/config/config.h"
#include "protocol/otp.h"
#include "protocol/secret.h"
#include "tools/knockctl/host/setup/console.h"

#include <string>

namespace xk::tools::setup {

struct CodeSecret {
    FactorKind kind = FactorKind::none;
    unsigned digits = 6;
    Secret<authz::FactorSecret> secret;

    ByteView bytes() const { return {secret->bytes, secret->size}; }
};

// The secret of the device's codes, from its file. An Error where there is no such device; a kind without codes has no
// secret.
Result<CodeSecret> read_code_secret(const config::Config& config, const std::string& user, const std::string& device);

struct CodeFinding {
    enum Kind {
        right,
        near,       // of a neighbouring step: it counts for knocks too
        other_time, // right at another time: a clock is wrong
        wrong,      // of another secret, or mistyped
        no_code,    // not so many digits
    } kind = wrong;
    int seconds_ahead = 0; // of the authenticator's clock, near and other_time
};
// `typed` may have blanks between the digits.
CodeFinding examine_code(const CodeSecret& secret, WallTime now, const std::string& typed);
// What is wrong with it, and what to do.
std::string text_of(const CodeFinding& finding, unsigned digits);

// Shows the QR code unless `no_qr`.
void show_code_secret(Console& console, const CodeSecret& secret, const std::string& user, const std::string& device,
                      const std::string& host, bool no_qr);

// Asks for a code until one is right, three times at most. True: proved. False: "skip" was typed.
Result<bool> prove_code(Console& console, const CodeSecret& secret, const std::function<void()>& show_again);

} // namespace xk::tools::setup
