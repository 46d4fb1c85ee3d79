// SPDX-License-Identifier: MIT
//
// A file of credentials/ describes one device of a user (docs/configuration.md, "Credentials"). It has nothing secret:
// key and factor are in files beside it.
#pragma once

#include "protocol/base/clock.h"
#include "protocol/base/result.h"
#include "protocol/request.h"
#include "protocol/wire.h"

#include <optional>
#include <string>
#include <string_view>

namespace xk::yaml {
class Section;
}

namespace xk::config {

struct CredentialFile {
    std::string user, device;
    wire::CredentialId id{};
    FactorKind factor = FactorKind::none;
    std::optional<unsigned> digits; // of a code, for factor totp; none: 6
    bool enabled = true;
    std::optional<WallTime> valid_from, valid_until; // within the user's own dates

    bool operator==(const CredentialFile&) const = default;
};

// Faults go to the section's list. A required member with a fault keeps its default: an empty name, an id of zeros.
CredentialFile read_credential_file(yaml::Section& section);

// The text of the file. An error if the credential breaks a rule of the format, because the reader would refuse it.
Result<std::string> credential_file_text(const CredentialFile& credential, std::string_view head = {});

} // namespace xk::config
