// SPDX-License-Identifier: MIT
//
// The layout of judgement's memory in the previous release ("xknock03"). It is only read, and nothing here may change.
// The file in /run is an Image and then Replay records up to its end. The copy is a Header, two numbers (of credentials
// and of replay records), so many records, and BLAKE2b-32 over all that.
#pragma once

#include "protocol/base/bytes.h"

#include <array>
#include <cstdint>

namespace xk::authz::before {

struct Header {
    std::uint64_t magic;
    Bytes<16> boot_id;
    Bytes<16> hash_key;
    std::uint64_t high_slot;
    std::int64_t horizon;
    std::int64_t horizon_boot;
    std::int64_t saved_boot;
    std::uint32_t clean;
    std::uint32_t attempts;
    Bytes<16> attempt;
    std::array<std::uint64_t, 64> rejects;
    std::array<std::uint64_t, 8> accepted;
    std::uint64_t retries;
    std::int64_t refused_until;
    std::int64_t wall_of_boot;
};
static_assert(sizeof(Header) == 696);

struct Credential {
    Bytes<8> id;
    std::uint64_t totp_step;
    Bytes<16> request;
    Bytes<16> address;
    std::int64_t locked_until;
    std::int64_t last_accepted;
    Bytes<16> last_address;
    std::uint32_t failures;
    std::uint32_t accepted;
    std::uint64_t wrong_code;
    std::int64_t wrong_until;
};
static_assert(sizeof(Credential) == 104);

struct Asked {
    std::uint32_t credential_index;
    Bytes<16> address;
    std::uint32_t service;
    Bytes<16> target;
    std::uint8_t protocol;
    std::uint8_t pad1;
    std::uint16_t port;
    std::uint8_t single_use;
    std::uint8_t pad2[3];
    std::uint32_t lifetime;
    Bytes<8> credential;
    Bytes<16> id;
    std::uint32_t pad3;
    std::int64_t arrived;
    std::uint64_t live;
};
static_assert(sizeof(Asked) == 96);

struct Replay {
    Bytes<8> credential;
    Bytes<16> request;
    Bytes<8> mac;
    std::uint64_t slot;
    Bytes<16> address;
    std::uint32_t progress;
    std::uint32_t pad;
};
static_assert(sizeof(Replay) == 64);

inline constexpr std::size_t kCredentials = 65536;
inline constexpr std::size_t kAsked = 4096;

struct Image {
    Header header;
    std::array<Credential, kCredentials> credentials;
    std::array<Asked, kAsked> asked;
};
static_assert(sizeof(Image) == sizeof(Header) + kCredentials * sizeof(Credential) + kAsked * sizeof(Asked));

} // namespace xk::authz::before
