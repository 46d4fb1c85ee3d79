// SPDX-License-Identifier: MIT
//
// Profile: what the client knows of one server, from a file in ~/.config/xknock that only its owner can read.
// "knockctl keygen" writes it; docs/client.md describes every key.
#pragma once

#include "protocol/base/duration.h"
#include "protocol/base/result.h"
#include "protocol/keys.h"
#include "protocol/otp.h"
#include "protocol/profile/profile_file.h"
#include "protocol/request.h"
#include "protocol/secret.h"
#include "protocol/service.h"

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace xk::client {

struct Profile {
    std::string file;
    std::string name;               // its alias; the file's name without .yaml
    std::vector<std::string> hosts; // names and addresses it is for
    std::string server;             // where knocks go; empty: to the host that is asked for
    std::uint16_t port = wire::kDefaultPort;
    wire::ServerId server_id{};
    wire::CredentialId credential{};
    Secret<CredentialKeys> keys;
    FactorKind factor = FactorKind::none;
    unsigned digits = 6;
    Secret<FactorKey> factor_key;         // hmac: its key; totp, hotp: the stored secret, if any
    std::vector<std::string> otp_command; // prints a code; from the user's settings
    std::string service;                  // for "open" without one
    std::map<std::string, std::vector<Endpoint>>
        services;         // names the server gave, with ports that say whether they are open
    bool gateway = false; // the hosts are behind the server, and the knock says which one is meant
    ClientMode mode = ClientMode::packet;
    std::uint32_t lifetime = 0; // seconds; 0: the server's default
    NatPolicy nat = NatPolicy::automatic;
    Family family = Family::any;
    std::string stun;                     // a STUN server; empty: none
    std::chrono::milliseconds probe{250}; // how long the port may take to answer without a knock
    std::chrono::seconds wait{10};        // how long it may take with one
    std::size_t sequence_ports = sequence::kStrongPorts;

    // Both ignore the case.
    bool is_called(std::string_view alias) const;
    bool has_host(std::string_view host) const;
    bool is_for(std::string_view host) const { return is_called(host) || has_host(host); }
    // The proof field for a code, or for two HOTP codes in a row. Nothing where `code` does not have their form.
    std::optional<Proof> proof_of(std::string_view code) const {
        return factor == FactorKind::hotp ? hotp_proof(code, digits) : totp_proof(code, digits);
    }
    bool by_handshake() const { return mode == ClientMode::handshake; }
    // Whether codes come without a person.
    bool is_automatic() const { return !has_codes(factor) || factor_key->size > 0 || !otp_command.empty(); }
};

// $XDG_CONFIG_HOME/xknock, or ~/.config/xknock.
Result<std::string> profile_directory();

Result<Profile> load_profile(const std::string& file);
// Reports every fault of the text at once. `path` stands in the faults, and its name without .yaml is the profile's.
Result<Profile> parse_profile(std::string_view text, const std::string& path);

// The one profile of the directory for this host. All files that are for it must be right; others are not judged.
Result<Profile> find_profile(const std::string& directory, const std::string& host);

} // namespace xk::client
