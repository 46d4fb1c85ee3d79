// SPDX-License-Identifier: MIT
//
// Enrols a device: makes the server's files and the client's profile together, so that nobody writes them by hand.
// Secrets are made here, written once to files that only their readers can read, and shown only as the QR code of a
// TOTP or HOTP secret.
#pragma once

#include "protocol/base/result.h"
#include "tools/knockctl/host_verbs.h"

#include <string>
#include <vector>

namespace xk::tools {

struct Enrolled {
    std::vector<std::string> files;
    std::string profile_file;
    std::string otpauth; // empty unless the factor is totp or hotp
    std::vector<std::string> notes;
};

// Makes server_id, user, credential and profile, as far as they do not exist. A device that exists is an error. A
// failure leaves nothing behind.
Result<Enrolled> enroll(const KeygenOptions& options);

} // namespace xk::tools
