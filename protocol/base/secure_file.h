// SPDX-License-Identifier: MIT
//
// Opens files whose rights matter: the configuration (others must not write it) and secrets (others must not read them
// either). The checks are made on the opened descriptor, so that the file cannot be exchanged between check and use; a
// symbolic link, a second hard link, a device, a pipe or a directory is refused. Every directory above must be beyond
// the reach of others too, as OpenSSH's safe_path() demands; a sticky directory (/tmp) passes, because others cannot
// rename what is in it.
#pragma once

#include "protocol/base/fd.h"
#include "protocol/base/result.h"

#include <sys/types.h>

#include <optional>
#include <set>
#include <string>

namespace xk {

struct FileRules {
    bool secret = false;               // others must not be able to read it
    std::optional<gid_t> group;        // this group may read a secret; no group may write
    std::optional<uid_t> owner;        // besides root; unset: the effective user
    std::size_t max_size = 256 * 1024; // bytes
    // Directories that were checked by the same rules a moment ago and are not checked again; each checked one is
    // added. For callers that read thousands of files. Only root and `owner` could have changed these directories
    // since.
    std::set<std::string>* checked_directories = nullptr;
};

// Opens for reading. Errors carry Exit::configuration and name path, mode and the remedy.
Result<Fd> open_checked(const std::string& path, const FileRules& rules);

// open_checked() and the whole content. Not for secrets: the string is ordinary memory.
Result<std::string> read_checked(const std::string& path, const FileRules& rules);

// The whole content of a file that open_checked() opened by the same rules.
Result<std::string> read_opened(const Fd& fd, const std::string& path, const FileRules& rules);

// Creates `path` with `mode` and the content, through a temporary file in the same directory and renameat(2), so that
// no reader ever sees half of it. It works by descriptors alone, so that a link in another user's directory leads
// nowhere (see directory.h). Where `replace` is false an existing file is an error. A failure leaves the old file, or
// none, and no temporary one. With `replace` a failure of the last step, the fsync of the directory, leaves the new
// file. `group` and `owner` are set where they are given (this needs the right to do so). `sync` waits until file and
// name are on the disk.
Result<void> write_file(const std::string& path, std::string_view content, mode_t mode, bool replace,
                        std::optional<gid_t> group = {}, bool sync = true, std::optional<uid_t> owner = {});

} // namespace xk
