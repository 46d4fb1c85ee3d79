// SPDX-License-Identifier: MIT
//
// Makes a server's identity, where the first device is enrolled.
#pragma once

#include "daemon/config/config.h"
#include "protocol/base/result.h"

#include <string>
#include <vector>

namespace xk::tools {

// Removes its files again, unless keep() is called.
class NewIdentity {
  public:
    NewIdentity() = default;
    ~NewIdentity();
    NewIdentity(const NewIdentity&) = delete;
    NewIdentity& operator=(const NewIdentity&) = delete;

    // `config` has no identity yet.
    Result<void> make(const std::string& directory, const config::Config& config);
    bool was_made() const { return !written_.empty(); }
    std::vector<std::string> keep();

  private:
    std::vector<std::string> written_;
};

} // namespace xk::tools
