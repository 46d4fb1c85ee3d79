// SPDX-License-Identifier: MIT
//
// Writes the files of users and credentials that load_config() reads, by the same description of their keys. Each is
// exchanged as a whole: a temporary file beside it, fsync, rename, fsync of the directory. Others never see half of
// one, and a failure leaves what was there and nothing besides.
#pragma once

#include "daemon/config/credential_file.h"
#include "daemon/config/user_file.h"
#include "protocol/base/result.h"

#include <string>
#include <string_view>

namespace xk::config {

// Makes a new file, mode 0644; one that is there is an error. `head`: lines of comment, or nothing.
Result<void> create_user_file(const std::string& path, const UserFile& user, std::string_view head = {});
Result<void> create_credential_file(const std::string& path, const CredentialFile& credential,
                                    std::string_view head = {});

// Changes in a file that is there what `wanted` has otherwise, line by line: comments, order, owner and mode stay as
// they are. A change that is not certain to leave them is refused, with the line to write by hand.
Result<void> update_user_file(const std::string& path, const UserFile& wanted);
Result<void> update_credential_file(const std::string& path, const CredentialFile& wanted);

} // namespace xk::config
