// SPDX-License-Identifier: MIT
//
// ProfileFile: a client's profile (docs/client.md, "The profile"). "knockctl keygen" writes it and knock-client reads
// it. Its keys are in memory that is locked and wiped. Its text holds them too, so the caller must wipe it.
#pragma once

#include "protocol/base/result.h"
#include "protocol/keys.h"
#include "protocol/otp.h"
#include "protocol/request.h"
#include "protocol/secret.h"
#include "protocol/sequence.h"
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

// The key of factor hmac, or the secret of factor totp or hotp.
struct FactorKey {
    std::uint32_t size; // bytes; 0: there is none
    std::uint8_t bytes[kMaxTotpSecret];
};

// Whether an address is translated between us and the server, so that the packet's source must stand for us.
enum class NatPolicy {
    automatic, // what the client finds out
    always,
    never, // name our own address in every knock, also a private one
};
// How the client knocks: with one packet, or by a handshake of three.
enum class ClientMode { packet, handshake };
std::string_view name_of(ClientMode mode);
// The addresses of a host that are used.
enum class Family { any, ipv4, ipv6 };

struct ProfileFile {
    std::optional<std::string> name; // none: the file's name without .yaml
    std::vector<std::string> hosts;
    std::string server; // empty: the host that the client connects to
    std::uint16_t knock_port = wire::kDefaultPort;
    wire::ServerId server_id{};
    wire::CredentialId credential{};
    Secret<Key> key = Secret<Key>();
    FactorKind factor = FactorKind::none;
    std::optional<unsigned> digits; // none: 6
    std::optional<Secret<FactorKey>> hmac_key, otp_secret;
    std::string service;
    // The services by name, each with texts like "tcp/22", "tcp/27015-27030" or "tcp/22@203.0.113.7", as in the file.
    std::vector<std::pair<std::string, std::vector<std::string>>> services;
    bool gateway = false;
    ClientMode mode = ClientMode::packet;
    std::chrono::seconds lifetime{0}; // 0: the server's default
    NatPolicy nat = NatPolicy::automatic;
    Family family = Family::any;
    std::string stun; // a STUN server, "HOST" or "HOST:PORT"; empty: none
    std::chrono::milliseconds probe{250};
    std::chrono::seconds wait{10};
    std::size_t sequence_ports = sequence::kStrongPorts; // of a strong sequence; as the server has it
};

// Adds faults to those of the section. A profile with faults must not be used.
ProfileFile read_profile_file(yaml::Section& section);

// The file's text. An error where the profile breaks a rule of the format: the reader would refuse it.
Result<std::string> profile_file_text(const ProfileFile& profile, std::string_view head = {});

// The port by which a client can find out whether the service is open, from one text of `services`. Nothing for a
// range, because any of its ports may be silent, and nothing for a port of a host behind the server.
Result<std::optional<Endpoint>> parse_service_port(std::string_view text);

} // namespace xk
