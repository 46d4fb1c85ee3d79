// SPDX-License-Identifier: MIT
//
// The algorithms of old clients, which libsodium rightly lacks. Nothing else of the project uses libcrypto.
//
// libcrypto is used without the host's openssl.cnf: that file may load modules or forbid MD5, and the sandbox cannot
// read it. All functions fail where libcrypto does; they leave no error in its queue.
#pragma once

#include "protocol/base/bytes.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace xk::legacy {

enum class Hash : std::uint8_t { md5, sha1, sha256, sha384, sha512, sha3_256, sha3_512 };
inline constexpr Hash kHashes[] = {Hash::md5,    Hash::sha1,     Hash::sha256,  Hash::sha384,
                                   Hash::sha512, Hash::sha3_256, Hash::sha3_512};
inline constexpr std::size_t kMostHash = 64; // bytes

// Uses each algorithm once, so that libcrypto has found them all: it does so at the first use. Without a call each
// function does that itself. False where one is missing.
bool load_algorithms();

std::size_t hash_size(Hash hash);

// Into the first hash_size() bytes of `out`.
bool compute_hash(Hash hash, ByteView data, std::span<std::uint8_t, kMostHash> out);
bool compute_hmac(Hash hash, ByteView key, ByteView data, std::span<std::uint8_t, kMostHash> out);

struct AesKey {
    Bytes<32> key{};
    Bytes<16> iv{};
};

// EVP_BytesToKey(3) with MD5 and one round, as "openssl enc" made keys of passwords.
bool derive_aes_key(ByteView password, std::span<const std::uint8_t, 8> salt, AesKey& out);

// CBC with PKCS#7; the size of the key says which AES: 16 or 32 bytes. `out` has room for all of `ciphertext`. Returns
// the size without padding; nothing where the blocks or the padding are wrong.
std::optional<std::size_t> decrypt_aes(ByteView key, std::span<const std::uint8_t, 16> iv, ByteView ciphertext,
                                       std::span<std::uint8_t> out);

} // namespace xk::legacy
