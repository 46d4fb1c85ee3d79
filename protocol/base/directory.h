// SPDX-License-Identifier: MIT
//
// Lets root work in directories that somebody else may own: by descriptor and name. So an owner who exchanges a name
// cannot choose what is written, given away or removed.
#pragma once

#include "protocol/base/fd.h"
#include "protocol/base/result.h"

#include <sys/types.h>

#include <optional>
#include <string>

namespace xk {

// Opens a directory, part by part. A symbolic link, also as the last part, is followed only where root or we own it,
// because the owner of any other link could lead us elsewhere.
Result<Fd> open_directory(const std::string& path);

// The directory that holds `path`, found in the same way (O_PATH: to work in, not to read), and the last part of
// `path`.
struct Entry {
    Fd directory;
    std::string name;
};
Result<Entry> open_entry(const std::string& path);

// Makes a directory with this mode, whatever the umask, and this owner and group. An existing one stays as it is.
Result<void> create_directory(const std::string& path, mode_t mode, std::optional<uid_t> uid, std::optional<gid_t> gid);

// Makes the directory where there is none, and gives it to the user (as far as we may). An existing one must not be a
// link, and where it is not empty it must already belong to the user.
Result<void> make_directory(const std::string& path, mode_t mode, uid_t uid, gid_t gid);

// Removes a file. No error where there is none. `sync` waits until that is on the disk.
Result<void> remove_file(const std::string& path, bool sync);

} // namespace xk
