// SPDX-License-Identifier: MIT
//
// A client's profile as it is written (docs/client.md, "The profile"): "knockctl keygen" writes it, knock-client reads
// it. It holds a key, so it lies in memory that is locked and wiped, and its text must be wiped by whoever has it.
#pragma once

#include "protocol/base/result.h"
#include "protocol/keys.h"
#include "protocol/otp.h"
#include "protocol/request.h"
#include "protocol/secret.h"
#include "protocol/wire.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace xk::yaml {
class Section;
}

namespace xk {

// The key of factor hmac, or the secret of factor totp.
struct FactorKey {
    std::uint32_t size; // bytes; 0: there is none
    std::uint8_t bytes[kMaxTotpSecret];
};

struct ProfileFile {
    std::optional<std::string> name; // none: the file's name without .yaml
    std::vector<std::string> hosts;
    std::string server; // empty: the host that is asked for
    std::uint16_t knock_port = wire::kDefaultPort;
    wire::ServerId server_id{};
    wire::CredentialId credential{};
    Secret<Key> key = Secret<Key>();
    FactorKind factor = FactorKind::none;
    std::optional<unsigned> digits; // none: 6
    std::optional<Secret<FactorKey>> hmac_key, otp_secret;
    std::string service;
    // Of each service what "tcp/22", "tcp/27015-27030" or "tcp/22@203.0.113.7" says, in the order of the file.
    std::vector<std::pair<std::string, std::vector<std::string>>> services;
    bool gateway = false;
    std::chrono::seconds lifetime{0}; // 0: the server's default
    bool nat = true;
    std::chrono::milliseconds probe{250};
    std::chrono::seconds wait{10};
};

// Faults go to the section's own. Of a profile with faults nothing may be used.
ProfileFile read_profile_file(yaml::Section& section);

// The file's text. An error where the profile breaks a rule of the format: the reader would refuse it.
Result<std::string> profile_file_text(const ProfileFile& profile, std::string_view head = {});

// The one port of the server itself that says whether it is open, of what stands in `services`: nothing for a range, of
// which any may be silent, and for a port of a host that is behind the server.
Result<std::optional<Endpoint>> parse_service_port(std::string_view text);

} // namespace xk
