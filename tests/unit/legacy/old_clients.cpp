// SPDX-License-Identifier: MIT
#include "tests/unit/legacy/old_clients.h"

#include "daemon/legacy/text.h"

#include <openssl/evp.h>
#include <sodium.h>

#include <algorithm>
#include <cstdlib>

namespace xk::legacy::test {
namespace {

void must(bool done) {
    if (!done)
        std::abort();
}

std::string base64(ByteView bytes, int variant) {
    std::string out(sodium_base64_encoded_len(bytes.size(), variant), '\0');
    sodium_bin2base64(out.data(), out.size(), bytes.data(), bytes.size(), variant);
    out.pop_back();
    return out;
}

constexpr std::size_t kPrefix = 10; // characters that stay off the wire

} // namespace

std::string unpadded_base64(ByteView bytes) { return base64(bytes, sodium_base64_VARIANT_ORIGINAL_NO_PADDING); }
std::string url_base64(ByteView bytes) { return base64(bytes, sodium_base64_VARIANT_URLSAFE); }

Buffer encrypt(ByteView key, const Bytes<16>& iv, ByteView plain, bool padded) {
    Bytes<kMostHash> unused{};
    must(compute_hash(Hash::sha256, {}, unused)); // the product starts libcrypto (libcrypto_test.cpp)
    Buffer out(plain.size() + 32);
    int size = 0, last = 0;
    EVP_CIPHER_CTX* const context = ::EVP_CIPHER_CTX_new();
    must(::EVP_EncryptInit_ex(context, key.size() == 16 ? ::EVP_aes_128_cbc() : ::EVP_aes_256_cbc(), nullptr,
                              key.data(), iv.data()) == 1);
    ::EVP_CIPHER_CTX_set_padding(context, padded ? 1 : 0);
    must(::EVP_EncryptUpdate(context, out.data(), &size, plain.data(), static_cast<int>(plain.size())) == 1);
    must(::EVP_EncryptFinal_ex(context, out.data() + size, &last) == 1);
    ::EVP_CIPHER_CTX_free(context);
    out.resize(static_cast<std::size_t>(size + last));
    return out;
}

std::string with_digest(std::string_view fields, Hash hash) {
    Bytes<kMostHash> digest{};
    must(compute_hash(hash, bytes_of(fields), digest));
    return std::string(fields) + ":" + unpadded_base64(ByteView(digest).first(hash_size(hash)));
}

std::string encrypted(std::string_view plain, const FwknopUser& user, bool padded) {
    const Bytes<8> salt = {1, 2, 3, 4, 5, 6, 7, 8};
    AesKey derived;
    must(derive_aes_key(user.key, salt, derived));
    const ByteView magic = bytes_of("Salted__");
    Buffer blob(magic.begin(), magic.end());
    blob.insert(blob.end(), salt.begin(), salt.end());
    const Buffer ciphertext = encrypt(derived.key, derived.iv, bytes_of(plain), padded);
    blob.insert(blob.end(), ciphertext.begin(), ciphertext.end());
    return unpadded_base64(blob);
}

std::string signed_wire(std::string_view text, const FwknopUser& user) {
    Bytes<kMostHash> hmac{};
    must(compute_hmac(user.hash, user.hmac_key, bytes_of(text), hmac));
    return std::string(text.substr(std::min(kPrefix, text.size()))) +
           unpadded_base64(ByteView(hmac).first(hash_size(user.hash)));
}

std::string fwknop_wire(std::string_view fields, const FwknopUser& user) {
    return signed_wire(encrypted(with_digest(fields), user), user);
}

std::string sealed_token(Buffer bytes, const CapyknockKey& key) {
    Bytes<kMostHash> hmac{};
    must(compute_hmac(Hash::sha256, ByteView(key).first(16), bytes, hmac));
    bytes.insert(bytes.end(), hmac.begin(), hmac.begin() + 32);
    return url_base64(bytes);
}

std::string fernet_token(std::string_view plain, const CapyknockKey& key, std::uint64_t time, bool padded) {
    const Bytes<16> iv = {9, 8, 7};
    Bytes<8> stamp;
    store_be<std::uint64_t>(stamp, time);
    Buffer bytes = {0x80};
    bytes.insert(bytes.end(), stamp.begin(), stamp.end());
    bytes.insert(bytes.end(), iv.begin(), iv.end());
    const Buffer ciphertext = encrypt(ByteView(key).last(16), iv, bytes_of(plain), padded);
    bytes.insert(bytes.end(), ciphertext.begin(), ciphertext.end());
    return sealed_token(std::move(bytes), key);
}

std::string capyknock_wire(std::string_view name, std::string_view token) {
    return R"({"usrnm": ")" + std::string(name) + R"(", "payload": ")" + std::string(token) + "\"}";
}

} // namespace xk::legacy::test
