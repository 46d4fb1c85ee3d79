// SPDX-License-Identifier: MIT
//
// A file of credentials/ describes one device of a user (docs/configuration.md, "Credentials"). It has nothing secret:
// key and factor are in files beside it.
#pragma once

#include "daemon/authz/policy.h"
#include "protocol/base/address.h"
#include "protocol/base/clock.h"
#include "protocol/base/result.h"
#include "protocol/request.h"
#include "protocol/wire.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace xk::yaml {
class Section;
}

namespace xk::config {

struct CredentialFile {
    std::string user, device;
    wire::CredentialId id{};
    FactorKind factor = FactorKind::none;
    std::optional<unsigned> digits; // of a code, for factors totp and hotp; none: 6
    bool enabled = true;
    std::optional<WallTime> valid_from, valid_until; // within the user's own dates
    authz::DeviceKind kind = authz::DeviceKind::xknock;
    std::optional<std::string> secrets;  // name of its secrets' files, without .key; none: that of the .yaml
    std::vector<std::string> hosts;      // for the client's profile: names and addresses of this server
    std::optional<std::string> server;   // likewise: where to knock, if not there
    std::optional<std::string> name;     // kind capyknock: of the user, in its packets
    std::optional<Address> target;       // kind capyknock: that its packets ask for
    std::optional<std::uint16_t> port;   // kind capyknock: likewise
    std::optional<authz::HmacKind> hmac; // kind fwknop; none: sha256

    bool operator==(const CredentialFile&) const = default;
};

// Faults go to the section's list. A required member with a fault keeps its default: an empty name, an id of zeros.
CredentialFile read_credential_file(yaml::Section& section);

// A name for the files of a credential: like a name (is_name()), up to kMaxStem characters.
bool is_stem(std::string_view text);
inline constexpr std::size_t kMaxStem = 100;
inline constexpr std::size_t kMaxHosts = 16; // of one profile

// The facts of an old client's device that are not secret.
authz::LegacyClient legacy_of(const CredentialFile& credential);

// The text of the file. An error if the credential breaks a rule of the format, because the reader would refuse it.
Result<std::string> credential_file_text(const CredentialFile& credential, std::string_view head = {});

} // namespace xk::config
