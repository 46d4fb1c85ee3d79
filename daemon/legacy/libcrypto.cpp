// SPDX-License-Identifier: MIT
#include "daemon/legacy/libcrypto.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <memory>

namespace xk::legacy {
namespace {

// Before anything else is called: the first call of libcrypto would read the host's openssl.cnf.
bool start_libcrypto() {
    static const bool started = ::OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr) == 1;
    return started;
}

const EVP_MD* algorithm_of(Hash hash) {
    switch (hash) {
    case Hash::md5:
        return ::EVP_md5();
    case Hash::sha1:
        return ::EVP_sha1();
    case Hash::sha256:
        return ::EVP_sha256();
    case Hash::sha384:
        return ::EVP_sha384();
    case Hash::sha512:
        return ::EVP_sha512();
    case Hash::sha3_256:
        return ::EVP_sha3_256();
    case Hash::sha3_512:
        return ::EVP_sha3_512();
    }
    return nullptr;
}

bool succeeded(bool done) {
    if (!done)
        ::ERR_clear_error();
    return done;
}

struct FreeCipher {
    void operator()(EVP_CIPHER_CTX* context) const { ::EVP_CIPHER_CTX_free(context); } // wipes it
};

} // namespace

std::size_t hash_size(Hash hash) {
    switch (hash) {
    case Hash::md5:
        return 16;
    case Hash::sha1:
        return 20;
    case Hash::sha256:
    case Hash::sha3_256:
        return 32;
    case Hash::sha384:
        return 48;
    case Hash::sha512:
    case Hash::sha3_512:
        return 64;
    }
    return 0;
}

bool load_algorithms() {
    Bytes<kMostHash> out{};
    const Bytes<16> block{};
    const Bytes<32> key{};
    AesKey derived;
    for (const Hash hash : kHashes)
        if (!compute_hash(hash, block, out) || !compute_hmac(hash, key, block, out))
            return false;
    // The padding of these blocks is wrong, or right by chance: that is found only behind the decryption.
    (void)decrypt_aes(ByteView(key).first(16), block, block, out);
    (void)decrypt_aes(key, block, block, out);
    return derive_aes_key(key, std::span<const std::uint8_t, 8>(block.data(), 8), derived);
}

bool compute_hash(Hash hash, ByteView data, std::span<std::uint8_t, kMostHash> out) {
    unsigned size = 0;
    return succeeded(start_libcrypto() &&
                     ::EVP_Digest(data.data(), data.size(), out.data(), &size, algorithm_of(hash), nullptr) == 1 &&
                     size == hash_size(hash));
}

bool compute_hmac(Hash hash, ByteView key, ByteView data, std::span<std::uint8_t, kMostHash> out) {
    unsigned size = 0;
    return succeeded(start_libcrypto() &&
                     ::HMAC(algorithm_of(hash), key.data(), static_cast<int>(key.size()), data.data(), data.size(),
                            out.data(), &size) != nullptr &&
                     size == hash_size(hash));
}

bool derive_aes_key(ByteView password, std::span<const std::uint8_t, 8> salt, AesKey& out) {
    return succeeded(start_libcrypto() &&
                     ::EVP_BytesToKey(::EVP_aes_256_cbc(), ::EVP_md5(), salt.data(), password.data(),
                                      static_cast<int>(password.size()), 1, out.key.data(),
                                      out.iv.data()) == static_cast<int>(out.key.size()));
}

std::optional<std::size_t> decrypt_aes(ByteView key, std::span<const std::uint8_t, 16> iv, ByteView ciphertext,
                                       std::span<std::uint8_t> out) {
    if (!start_libcrypto() || (key.size() != 16 && key.size() != 32) || ciphertext.empty() ||
        ciphertext.size() % iv.size() != 0 || out.size() < ciphertext.size())
        return std::nullopt;
    const std::unique_ptr<EVP_CIPHER_CTX, FreeCipher> context(::EVP_CIPHER_CTX_new());
    const EVP_CIPHER* const cipher = key.size() == 16 ? ::EVP_aes_128_cbc() : ::EVP_aes_256_cbc();
    int size = 0, last = 0;
    if (!succeeded(context != nullptr &&
                   ::EVP_DecryptInit_ex(context.get(), cipher, nullptr, key.data(), iv.data()) == 1 &&
                   ::EVP_DecryptUpdate(context.get(), out.data(), &size, ciphertext.data(),
                                       static_cast<int>(ciphertext.size())) == 1 &&
                   ::EVP_DecryptFinal_ex(context.get(), out.data() + size, &last) == 1))
        return std::nullopt;
    return static_cast<std::size_t>(size + last);
}

} // namespace xk::legacy
