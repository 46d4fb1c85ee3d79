// SPDX-License-Identifier: MIT
//
// The file in the run directory from which the next daemon knows whose bans there are and how long each owner's is. It
// is written before the ban counts, and works in both gate modes, whatever the sets in the kernel can hold.
#pragma once

#include "daemon/authz/ban_book.h"
#include "protocol/base/fd.h"
#include "protocol/base/result.h"

#include <optional>
#include <string>
#include <string_view>

namespace xk {

class BanFile {
  public:
    BanFile() = default; // none: a dry run keeps nothing
    // `boot` is the boot's id.
    BanFile(const std::string& run_directory, std::string boot)
        : path_(run_directory + "/" + kName), boot_(std::move(boot)) {}
    static constexpr const char* kName = "bans";

    // An error where a newer release wrote the file: who went on without it would forget bans.
    Result<void> check() const;
    // What a daemon before us left in this boot; nothing where it left none. A file that cannot be read is an error.
    Result<std::optional<authz::BanBook>> read() const;

    // The file then holds exactly this. When it fails there is no file, so that no old one is believed.
    Result<void> replace(const authz::BanBook& book);
    // Appends changes; `book` is what they lead to. Where the disk does not take them, the file goes, and comes again
    // with the next change.
    Result<void> append(std::string_view lines, const authz::BanBook& book);

  private:
    Error give_up(Error error);

    std::string path_, boot_;
    Fd fd_;                 // to append to
    std::size_t lines_ = 0; // in the file
};

} // namespace xk
