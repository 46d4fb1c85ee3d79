// SPDX-License-Identifier: MIT
//
// The files of ssh that this user owns. Each change is whole or not at all, and the modes stay.
#pragma once

#include "protocol/base/result.h"

#include <sys/types.h>

#include <optional>
#include <string>

namespace xk::client {

class SshFiles {
  public:
    // In the home directory of the list of users, as ssh does it: it does not read $HOME.
    static Result<SshFiles> of_this_user();
    explicit SshFiles(std::string directory) : directory_(std::move(directory)) {}

    // Nothing where there is none. A symbolic link is followed, because collections of settings work by links: what it
    // leads to is then changed, and must be ours.
    Result<std::optional<std::string>> read_config() const;
    Result<void> write_config(const std::string& text) const;
    // Empties it where it is behind a link.
    Result<void> remove_config() const;

    std::string host_file(const std::string& host) const { return hosts() + "/" + host + ".conf"; }
    Result<void> write_host(const std::string& host, const std::string& text) const;
    Result<void> remove_host(const std::string& host) const;
    Result<bool> has_other_hosts(const std::string& host) const;

  private:
    std::string config() const { return directory_ + "/config"; }
    std::string hosts() const { return directory_ + "/xknock.d"; }

    std::string directory_; // ~/.ssh
};

} // namespace xk::client
