// SPDX-License-Identifier: MIT
//
// The verbs of "knockctl user". Each has a file, and returns what it tells the operator.
#pragma once

#include "protocol/base/result.h"
#include "tools/knockctl/control.h"
#include "tools/knockctl/host/users/change.h"
#include "tools/knockctl/host/users/daemon_link.h"
#include "tools/knockctl/host/users/person.h"
#include "tools/knockctl/host/users/wiped_text.h"
#include "tools/knockctl/user_options.h"

#include <nlohmann/json.hpp>

#include <set>
#include <string>

namespace xk::tools {

// What a verb tells. Only `secret` may hold a secret; with --json it is the field "otpauth".
struct Report {
    nlohmann::json data;
    std::string text;
    WipedText secret; // the URI for an authenticator
    bool with_qr = true;
    std::string whose; // for whose authenticator it is
    std::string after; // text behind the secret
};

// Runs the verb and prints its report; the exit code.
int run_user_verb(const UserOptions& options, const Control& control);

Result<Report> add_device(const UserOptions& options, const DaemonLink& link);
Result<Report> list_users(const UserOptions& options, const DaemonLink& link);
Result<Report> show_user(const UserOptions& options, const DaemonLink& link);
Result<Report> set_rights(const UserOptions& options, const DaemonLink& link);
Result<Report> disable_or_enable(const UserOptions& options, const DaemonLink& link);
Result<Report> rename(const UserOptions& options, const DaemonLink& link);
Result<Report> remove(const UserOptions& options, const DaemonLink& link);
Result<Report> rotate(const UserOptions& options, const DaemonLink& link);
Result<Report> show_code(const UserOptions& options, const DaemonLink& link);
Result<Report> write_profile(const UserOptions& options, const DaemonLink& link);

// Commits, lets the daemon read the users' files and finishes. If the daemon refuses, or without one the check of the
// configuration, everything is as before.
Result<DaemonLink::Told> carry_out(Change& change, const DaemonLink& link, const std::set<std::string>& users,
                                   const std::string& what);
// The same to the end of the report: whether the daemon knows it, and warnings.
void tell(Report& report, const DaemonLink::Told& told);

// The secret of the code, its QR code and the pictures that the options ask for. The pictures are part of the change;
// without one they are written at once.
Result<void> add_code(Report& report, const UserOptions& options, const config::CredentialFile& device, ByteView secret,
                      Change* change);

// Rejects what cannot be: two names for one option. The factor that the options name.
Result<FactorKind> factor_of(const UserOptions& options);

} // namespace xk::tools
