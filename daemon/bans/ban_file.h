// SPDX-License-Identifier: MIT
//
// BanFile is the file in the run directory that keeps the owners of bans, each with a time, for the next daemon. It is
// written before a ban counts. It does not depend on the sets in the kernel, which mode "external" does not have.
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
    BanFile() = default; // no file: a dry run keeps nothing
    // `boot` is the boot's id.
    BanFile(const std::string& run_directory, std::string boot)
        : path_(run_directory + "/" + kName), boot_(std::move(boot)) {}
    static constexpr const char* kName = "bans";

    // An error where a newer release wrote the file: a daemon that went on without it would forget bans.
    Result<void> check() const;
    // The bans that an earlier daemon of this boot left; nothing where there is no file. A file that cannot be read is
    // an error.
    Result<std::optional<authz::BanBook>> read() const;

    // Makes the file hold exactly this book. After an error there is no file, so that no old one is believed.
    Result<void> replace(const authz::BanBook& book);
    // Appends changes; `book` is the book with them. After an error there is no file until the next change.
    Result<void> append(std::string_view lines, const authz::BanBook& book);

  private:
    Error give_up(Error error);

    std::string path_, boot_;
    Fd fd_;                 // to append to
    std::size_t lines_ = 0; // in the file
};

} // namespace xk
