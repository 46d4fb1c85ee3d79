// SPDX-License-Identifier: MIT
//
// Writes the files of users and credentials that load_config() reads, from the same description of their keys. A file
// is replaced as a whole: temporary file, fsync, rename, fsync of the directory. Nobody sees half of one, and a failure
// leaves the old file and no other.
#pragma once

#include "daemon/config/credential_file.h"
#include "daemon/config/user_file.h"
#include "protocol/base/result.h"

#include <string>
#include <string_view>

namespace xk::config {

// Makes a new file with mode 0644; an existing file is an error. `head`: lines of comment, or nothing.
Result<void> create_user_file(const std::string& path, const UserFile& user, std::string_view head = {});
Result<void> create_credential_file(const std::string& path, const CredentialFile& credential,
                                    std::string_view head = {});

// Changes an existing file to `wanted`, line by line. Comments, order, owner and mode stay. A change that might not
// keep them is refused, and the error has the line to write by hand.
Result<void> update_user_file(const std::string& path, const UserFile& wanted);
Result<void> update_credential_file(const std::string& path, const CredentialFile& wanted);

} // namespace xk::config
