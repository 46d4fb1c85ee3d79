// SPDX-License-Identifier: MIT
//
// Enrolling a device: the server's files and the client's profile, made together, so that neither has to be
// written by hand. Secrets are made here, written once to files that only their readers can read, and shown only as
// the QR code of a TOTP secret.
#pragma once

#include "protocol/base/result.h"
#include "protocol/request.h"

#include <string>
#include <vector>

namespace xk::tools {

struct KeygenOptions {
    std::string config_file;
    std::string user;
    std::string device;
    FactorKind factor = FactorKind::totp;
    unsigned digits = 6;
    std::vector<std::string> services; // for a new user; none: all that the server names
    std::vector<std::string> hosts;    // host names and addresses that the profile is for
    std::string server;                // where to knock, if not there
    std::string profile_file;          // where to write the profile; empty: ./xknock-USER-DEVICE.yaml
};

struct Enrolled {
    std::vector<std::string> files;
    std::string profile_file;
    std::string otpauth; // empty unless the factor is totp
    std::vector<std::string> notes;
};

// Makes server_id, user, credential and profile, as far as they do not exist. A device that exists is an error; nothing
// is left behind by a failure.
Result<Enrolled> enroll(const KeygenOptions& options);

} // namespace xk::tools
