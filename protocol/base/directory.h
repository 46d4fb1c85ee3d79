// SPDX-License-Identifier: MIT
//
// Work in directories that somebody else may own, as root: by descriptor and name, so that whoever can exchange a name
// cannot choose what is written, given away or removed.
#pragma once

#include "protocol/base/fd.h"
#include "protocol/base/result.h"

#include <sys/types.h>

#include <optional>
#include <string>

namespace xk {

// Opens a directory, part by part. Symbolic links on the way, and the directory itself being one, are followed only
// where they are root's or our own: any other could have been put there to lead us elsewhere.
Result<Fd> open_directory(const std::string& path);

// The directory that holds `path`, found likewise (O_PATH: to work in, not to read), and the last part of `path`.
struct Entry {
    Fd directory;
    std::string name;
};
Result<Entry> open_entry(const std::string& path);

// Makes a directory with this mode, whatever the umask is, and this owner and group; one that is there stays as it is.
Result<void> create_directory(const std::string& path, mode_t mode, std::optional<uid_t> uid, std::optional<gid_t> gid);

// Makes the directory, if need be, and gives it to the user (as far as we may). One that is there must be no link; when
// it holds something it must be his already.
Result<void> make_directory(const std::string& path, mode_t mode, uid_t uid, gid_t gid);

// Removes a file; one that is not there is no error. `sync` waits until that is on the disk.
Result<void> remove_file(const std::string& path, bool sync);

} // namespace xk
