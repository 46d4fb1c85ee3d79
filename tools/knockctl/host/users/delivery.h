// SPDX-License-Identifier: MIT
//
// How a profile gets to its person: as a file, through the spool, as a bundle, or in a tar with the client.
#pragma once

#include "protocol/base/result.h"
#include "tools/knockctl/host/users/change.h"
#include "tools/knockctl/host/users/passphrase.h"
#include "tools/knockctl/host/users/person.h"
#include "tools/knockctl/host/users/wiped_text.h"
#include "tools/knockctl/user_options.h"

#include <nlohmann/json_fwd.hpp>

#include <optional>
#include <string>

namespace xk::tools {

class Delivery {
  public:
    // Checks the options, and asks for a passphrase where one is needed: nothing of this may fail when files were
    // written already.
    static Result<Delivery> plan(const UserOptions& options, const config::CredentialFile& device);

    // Writes the profile as a part of the change, which removes it where it fails. `replaces`: a profile of the same
    // device that waits in the spool is an old one.
    Result<void> deliver(Change& change, const config::CredentialFile& device, const WipedText& profile, bool replaces);

    // Where it is: "profile", or "bundle" for a line that is in no file.
    void report(nlohmann::json& data, std::string& text) const;
    // What the operator does next, for a person.
    std::string next(const config::CredentialFile& device) const;

  private:
    explicit Delivery(const UserOptions& options) : options_(options) {}
    Result<void> seal(Change& change, const WipedText& profile);

    const UserOptions& options_;
    std::optional<Passphrase> passphrase_;
    std::string file_, bundle_; // "xknock1:...", where it is in no file
};

// Rules about the options for a device with this factor.
Result<void> check_delivery(const UserOptions& options, FactorKind factor);

} // namespace xk::tools
