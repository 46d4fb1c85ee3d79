// SPDX-License-Identifier: MIT
//
// Makes packets as the clients of fwknop and capyknock do, and others that no client makes. The vectors say that the
// right ones are right.
#pragma once

#include "daemon/legacy/capyknock.h"
#include "daemon/legacy/fwknop.h"

#include <string>
#include <string_view>
#include <vector>

namespace xk::legacy::test {

using Buffer = std::vector<std::uint8_t>;

std::string unpadded_base64(ByteView bytes);
// AES-CBC, with padding where `padded`; without it whole blocks are wanted.
Buffer encrypt(ByteView key, const Bytes<16>& iv, ByteView plain, bool padded = true);

struct FwknopUser {
    Buffer key = Buffer(32, 0x20);
    Buffer hmac_key = Buffer(64, 0x40);
    Hash hash = Hash::sha256;
    FwknopKeys keys() const { return {key, hmac_key, hash}; }
};

// The fields, a colon and their digest.
std::string with_digest(std::string_view fields, Hash hash = Hash::sha256);
// The plaintext encrypted, as base64 with the first ten characters.
std::string encrypted(std::string_view plain, const FwknopUser& user, bool padded = true);
// Cuts the first ten characters and appends the HMAC.
std::string signed_wire(std::string_view text, const FwknopUser& user);
// All of them: the packet of these fields.
std::string fwknop_wire(std::string_view fields, const FwknopUser& user = {});

using CapyknockKey = Bytes<kCapyknockKey>;

std::string url_base64(ByteView bytes);
// Appends the HMAC to what it covers.
std::string sealed_token(Buffer bytes, const CapyknockKey& key);
std::string fernet_token(std::string_view plain, const CapyknockKey& key, std::uint64_t time = 1'700'000'000,
                         bool padded = true);
std::string capyknock_wire(std::string_view name, std::string_view token);

} // namespace xk::legacy::test
